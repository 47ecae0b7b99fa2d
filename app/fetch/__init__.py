"""Network access of jobs, whose URLs are untrusted.

`addresses` decides which addresses a job may reach, `connection` enforces it for every connection,
`client` is for pipelines, `failures` maps answers and network errors to our errors. May import
`settings` and `errors` only.
"""
