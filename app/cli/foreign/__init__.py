"""Commands that work with the broker of any Celery application."""
