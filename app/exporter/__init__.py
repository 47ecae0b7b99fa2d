"""Metrics of any Celery application on Redis, in the names of celery-exporter and with true depths.

May import `broker`, `telemetry`, `queues` and `errors`; imports no role and nothing of the
platform, so that it serves applications that are not ours.
"""
