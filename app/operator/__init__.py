"""The Kubernetes operator: WorkerPools follow their queues, with pods as replicas.

What may live here: the adapter to the Kubernetes API, the translation between custom resources and
the values of `app.control`, and the kopf process around its loop. Nothing here decides how large a
pool should be. It imports neither pipelines nor jobs nor storage: the operator serves applications
that are not ours.
"""
