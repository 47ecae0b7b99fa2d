"""Access to the Kubernetes API: credentials, requests, errors, and live copies of lists.

Knows nothing of WorkerPools: any operator could use it.
"""
