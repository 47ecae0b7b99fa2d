"""The process side of a worker: children that die with it, limits, liveness.

Adapters only, without knowledge of jobs. May import `settings`, `queues`, `errors`.
"""
