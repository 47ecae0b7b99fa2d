"""Erase everything that one owner has."""

from app.errors import InvalidInput, RetryableError
from app.jobs.model.work import Work
from app.pipelines.retention.schema import Erased, EraseParams
from app.storage import ownership

BATCH = 200
"""Rows per transaction: other writers wait for at most one transaction."""


def erase(params: EraseParams, work: Work) -> Erased:
    """Erase the keys first, so that nothing new is made; then stop the jobs, and erase the rest
    when none of them runs.

    Raises RetryableError while jobs still stop, and InvalidInput for the owner of this job.
    """
    with ownership.acting_for(ownership.EVERYTHING):
        return _erase(params.owner, work)


def _erase(owner: str, work: Work) -> Erased:
    store = work.stores.owned_data
    if work.job_id is not None and work.jobs.get(work.job_id).owner == owner:
        raise InvalidInput("an owner cannot be erased by a job of its own")
    store.erase_keys(owner)
    _stop_jobs(owner, work)
    jobs = 0
    while True:
        gone, keys = store.erase_jobs(owner, limit=BATCH)
        work.stores.artifacts.delete_many(keys)
        work.jobs.forget_events(gone)
        jobs += len(gone)
        work.progress(30, f"erased {jobs} jobs")
        if len(gone) < BATCH:
            break
    uploads = 0
    while keys := store.erase_uploads(owner, limit=BATCH):
        work.stores.artifacts.delete_many(keys)
        uploads += len(keys)
        work.progress(60, f"erased {uploads} uploads")
    chunks = work.stores.chunks.erase(owner)
    work.progress(90, f"erased {chunks} chunks")
    store.erase_rest(owner)
    return Erased(jobs=jobs, uploads=uploads, chunks=chunks)


def _stop_jobs(owner: str, work: Work) -> None:
    unfinished = work.stores.owned_data.unfinished(owner)
    if not unfinished:
        return
    for job_id in unfinished:
        work.jobs.stop(job_id)
        work.check()
    if work.stores.owned_data.unfinished(owner):
        raise RetryableError(f"jobs of {owner!r} are being stopped")
