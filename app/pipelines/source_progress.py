"""State of a source while a pipeline processes it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import InvalidInput, PermanentError, WorkStopped
from app.jobs.model.job import Job
from app.jobs.model.work import Work
from app.jobs.run import workspace
from app.pipelines import disk
from app.storage.sources import SourceStatus


@contextmanager
def processing(
    source_id: str | None, work: Work, *, chatbot_id: str, filename: Callable[[], str]
) -> Iterator[str]:
    """Mark the source as `processing` and return its id. A new source is named by `filename`.

    An error that is not retried marks it as failed. Raises InvalidInput if it belongs to another
    bot, StorageUnavailable if the disk is full, and the errors of the block.
    """
    own_id = source_id if source_id is not None else work.key
    known = work.stores.sources.find(own_id)
    if known is not None and known.chatbot_id != chatbot_id:
        raise InvalidInput(f"the source {own_id!r} belongs to another bot")
    name = known.filename if known is not None else filename()
    work.stores.sources.ensure(own_id, chatbot_id=chatbot_id, filename=name, job_id=work.job_id)
    try:
        with disk.full_disk_retried():
            yield own_id
    except WorkStopped:
        raise
    except Exception as error:
        if isinstance(error, PermanentError) or workspace.is_last_attempt(work, error):
            work.stores.sources.mark_failed(own_id, error=str(error))
        raise


def fail_unfinished(job: Job, work: Work) -> None:
    """Mark the source of a failed or cancelled job as failed, unless it is not `processing` or
    belongs to another job by now."""
    source_id = job.params.get("source_id") or job.id
    source = work.stores.sources.find(source_id)
    if source is None or source.status is not SourceStatus.PROCESSING:
        return
    if source.job_id not in (None, job.id):
        return
    reason = job.error.message if job.error is not None else "the job was cancelled"
    work.stores.sources.mark_failed(source_id, error=reason)
