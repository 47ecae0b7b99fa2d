"""Network access of jobs, whose URLs are untrusted.

`addresses` decides which addresses a job may reach, `guarded_connection` enforces it for every
connection, `http_client` is for pipelines, `failures` maps answers and network errors to our
errors. May import `settings` and `errors` only.
"""
