"""A source while a pipeline works on it: begun, ready, failed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import InvalidInput, PermanentError, WorkStopped
from app.jobs.model.job import Job
from app.jobs.model.work import Work
from app.jobs.run import workspace
from app.pipelines import disk
from app.storage.sources import SourceStatus


@contextmanager
def begun(
    source_id: str | None, work: Work, *, chatbot_id: str, filename: Callable[[], str]
) -> Iterator[str]:
    """The id of the source, which is `processing` from now on. It keeps its name when it has one;
    `filename` gives one to a new source.

    What will not heal, or is not tried again, marks it failed. Raises InvalidInput when it belongs
    to another bot, StorageUnavailable when the disk is full, and what the block raises.
    """
    own_id = source_id if source_id is not None else work.key
    known = work.stores.sources.find(own_id)
    if known is not None and known.chatbot_id != chatbot_id:
        raise InvalidInput(f"the source {own_id!r} belongs to another bot")
    name = known.filename if known is not None else filename()
    work.stores.sources.ensure(own_id, chatbot_id=chatbot_id, filename=name, job_id=work.job_id)
    try:
        with disk.watched():
            yield own_id
    except WorkStopped:
        raise
    except Exception as error:
        if isinstance(error, PermanentError) or workspace.is_last_attempt(work, error):
            work.stores.sources.mark_failed(own_id, error=str(error))
        raise


def abandon(job: Job, work: Work) -> None:
    """Mark the source of a job failed that ended without result, unless it says so already, or
    another job has it by now."""
    source_id = job.params.get("source_id") or job.id
    source = work.stores.sources.find(source_id)
    if source is None or source.status is not SourceStatus.PROCESSING:
        return
    if source.job_id not in (None, job.id):
        return
    reason = job.error.message if job.error is not None else "the job was cancelled"
    work.stores.sources.mark_failed(source_id, error=reason)
