"""The HTTP API: routes, problem details, server-sent events, and the routes of older clients.

Translates HTTP into calls of `jobs` and back, without business rules. May import `pipelines`,
`jobs` and the packages below them; never the command line.
"""
