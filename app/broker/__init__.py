"""What Redis holds of a Celery application: queue depth, worker heartbeats, worker control.

May import `errors`, `settings` and `queues` of this package; imports no role. It works for any
Celery application on Redis, also one that knows nothing of Celeriac.
"""
