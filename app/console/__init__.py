"""The console: pages for people, rendered on the server.

Pages show values of `console_model`, which a `ConsoleSource` provides; the platform's own is
`app.api.console_source`. Imports errors and nothing else of ours.
"""
