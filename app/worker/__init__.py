"""What a worker process needs around its work: children that die with it, limits, a sign of life.

Adapters only: knows nothing of jobs. May import `settings`, `queues`, `errors`.
"""
