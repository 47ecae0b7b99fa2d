"""Fetching from the network for jobs, whose URLs come from strangers.

`addresses` decides which addresses a job may reach, `connection` holds every connection to that,
`client` is what pipelines use, `failures` says which of our errors an answer or a network error is.
May import `settings` and `errors` only.
"""
