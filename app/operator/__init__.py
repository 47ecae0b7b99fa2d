"""The Kubernetes operator: WorkerPools follow their queues, with pods as replicas.

Holds the adapter to the Kubernetes API, the translation between custom resources and the values of
`app.control`, and the process around its loop. Decides nothing about sizes. Imports neither
pipelines nor jobs nor storage, so that it works for any Celery application.
"""
