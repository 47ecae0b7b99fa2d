"""Any Celery application on Redis, seen and controlled from outside: no change of its code."""
