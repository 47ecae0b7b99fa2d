"""What the operator reports to Kubernetes: the status of a WorkerPool, and Events."""
