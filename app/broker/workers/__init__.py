"""Celery workers, seen from the broker: heartbeats, task events, remote control, revocations.

May import `queues` and what lies below it.
"""
