"""Where jobs meet Celery: the task class of stages, signals of worker and beat, connections."""
