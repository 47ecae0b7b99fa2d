"""The stages of the retention pipelines."""

from app.access.principal import AccessScope
from app.jobs.model.pipeline import Pipeline, Schedule, Stage
from app.jobs.model.stage import stage
from app.jobs.model.work import Work
from app.pipelines.retention.schema import (
    CacheParams,
    CacheRemoved,
    Erased,
    EraseParams,
    OldDataParams,
    OldDataRemoved,
)

_CLEANUP = "cleanup"


@stage("cleanup_old_data", queue=_CLEANUP, workspace=False)
def cleanup_old_data(params: OldDataParams, work: Work) -> OldDataRemoved:
    from app.pipelines.retention import old_data

    return old_data.clean(params, work)


@stage("cleanup_youtube_cache", queue=_CLEANUP, workspace=False)
def cleanup_youtube_cache(params: CacheParams, work: Work) -> CacheRemoved:
    from app.pipelines.retention import caches

    return caches.clean("youtube", params, work)


@stage("cleanup_pdf_cache", queue=_CLEANUP, workspace=False)
def cleanup_pdf_cache(params: CacheParams, work: Work) -> CacheRemoved:
    from app.pipelines.retention import caches

    return caches.clean("pdf", params, work)


@stage("erase_owner", queue=_CLEANUP, workspace=False)
def erase_owner(params: EraseParams, work: Work) -> Erased:
    from app.pipelines.retention import owner_data

    return owner_data.erase(params, work)


def _cache(name: str, stage: Stage, *, cron: str) -> Pipeline:
    return Pipeline(
        kind=f"cleanup-{name}-cache",
        summary=f"Remove old entries of the {name} cache, and those that exceed its size limit",
        params=CacheParams,
        scope=AccessScope.MAINTAIN,
        stages=(stage,),
        schedules=(Schedule(name=f"cleanup-{name}-cache", cron=cron),),
    )


PIPELINES = (
    Pipeline(
        kind="cleanup-old-data",
        summary="Remove old jobs with their files, and files without a job",
        params=OldDataParams,
        scope=AccessScope.MAINTAIN,
        stages=(cleanup_old_data,),
        schedules=(Schedule(name="cleanup-old-data", cron="0 2 * * *"),),
    ),
    Pipeline(
        kind="erase-owner",
        summary="Erase everything that one owner has: keys, jobs, uploads, chunks, notifications",
        params=EraseParams,
        scope=AccessScope.ADMIN,
        stages=(erase_owner,),
        max_attempts=20,
    ),
    _cache("youtube", cleanup_youtube_cache, cron="20 2 * * *"),
    _cache("pdf", cleanup_pdf_cache, cron="40 2 * * *"),
)
