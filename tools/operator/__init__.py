"""The reference page of WorkerPool, made from its definition."""
