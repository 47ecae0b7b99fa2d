"""The pipelines, one folder each, and what an author of one imports.

A folder holds `tasks.py` with the stages and `PIPELINE`, and `schema.py` with the parameters and
results. Stages import heavy libraries in their bodies, because the API imports `tasks.py` too. The
modules beside the folders are shared by several pipelines.
"""

from app.jobs.model.job import Job, JobRequest
from app.jobs.model.pipeline import Pipeline, Schedule
from app.jobs.model.stage import finalizer, stage
from app.jobs.model.work import Work
from app.queues import PoolKind, Queue, QueueName

__all__ = [
    "Job",
    "JobRequest",
    "Pipeline",
    "PoolKind",
    "Queue",
    "QueueName",
    "Schedule",
    "Work",
    "finalizer",
    "stage",
]
