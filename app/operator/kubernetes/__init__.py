"""Access to the Kubernetes API: credentials, requests, errors, and live copies of lists.

Nothing here knows of WorkerPools: what may live here would serve any operator.
"""
