"""The folder of a piece of work, and its end."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import RetryableError
from app.jobs.model.work import Work


def remove(work: Work) -> None:
    """Remove the work's folder with all that is in it. Gone already is fine."""
    shutil.rmtree(work.directory)


@contextmanager
def kept_for_next_stage(work: Work) -> Iterator[None]:
    """Leave the folder to the next stage, or to the next attempt at this one.

    When the work of a job has failed, the pipeline's finalizer removes the folder. A task that is
    called as plain Celery has none, so its folder goes with its last attempt.
    """
    try:
        yield
    except Exception as error:
        if is_last_attempt(work, error):
            remove(work)
        raise


@contextmanager
def removed_at_the_end(work: Work) -> Iterator[None]:
    """Remove the folder when this, the only stage, is done; leave it to the next attempt."""
    with kept_for_next_stage(work):
        yield
    remove(work)


def is_last_attempt(work: Work, error: Exception) -> bool:
    """Whether plain Celery will not try again after this error. A job has its finalizer."""
    if work.job_id is not None:
        return False
    most = work.platform.settings.jobs.max_attempts
    return not isinstance(error, RetryableError) or work.attempt >= most
