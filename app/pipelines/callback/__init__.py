"""Callbacks of a job that has ended: a webhook, another job, a plain task."""
