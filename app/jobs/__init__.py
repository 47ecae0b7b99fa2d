"""Jobs: accepted requests, one row each, and everything that keeps the promise made to them.

May import `control`, `storage`, `worker`, `broker`; never a pipeline or an entry point.
"""
