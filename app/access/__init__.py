"""Who may use the API: scopes, API keys, and the principal that a request acts for.

Imports storage, settings and errors. The routes and their scopes are the API's own
(`app.api.access`).
"""
