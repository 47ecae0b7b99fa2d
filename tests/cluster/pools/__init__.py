"""WorkerPools in a real Kubernetes: the operator with the Role of `k8s/rbac`, and real workers."""
