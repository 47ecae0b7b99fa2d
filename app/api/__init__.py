"""The HTTP API: routes, problem details, server-sent events, and the routes of older clients.

Translates HTTP into calls of `jobs` and back; holds no rules of its own. May import `pipelines`,
`jobs` and what is below them; never the command line.
"""
