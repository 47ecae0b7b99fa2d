"""Metrics of any Celery application on Redis, with the names of celery-exporter and actual depths.

May import `broker`, `telemetry`, `queues` and `errors`; imports no role and nothing of the
platform, so that it works for any application.
"""
