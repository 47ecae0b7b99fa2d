"""Jobs in Celery: the task class of stages, signals of worker and beat, connections."""
