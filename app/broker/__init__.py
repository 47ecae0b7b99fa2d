"""The Redis side of a Celery application: queue depth, worker heartbeats, remote control.

May import `errors`, `settings` and `queues`, and no role. Works for any Celery application on
Redis.
"""
