"""Jobs: accepted requests, one row each, and their execution.

May import `control`, `storage`, `worker`, `broker`; never a pipeline or an entry point.
"""
