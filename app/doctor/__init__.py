"""`celeriac doctor`: examines a Celery application on Redis and reports what is misconfigured.

Readers (`*_reader`) make one frozen `Snapshot` of the broker, its queues and its workers. Checks
(`*_checks`) are small functions of that snapshot; `checks` is their registry. Nothing is changed,
and no application needs to be changed for it. May import `broker`, `settings`, `storage`.
"""
