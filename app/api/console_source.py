"""What the console shows of this platform."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from starlette.concurrency import run_in_threadpool

from app.access.principal import AccessScope
from app.api.links import Links
from app.api.services import Services
from app.console.console_model import (
    ConsoleCondition,
    ConsoleFile,
    ConsoleJob,
    ConsoleJobDetail,
    ConsolePool,
    ConsoleQueue,
    ConsoleRun,
    FailureGroup,
    JobList,
    JobSearch,
    Overview,
    Viewer,
)
from app.control.pool.status import PoolStatus
from app.control.report import pool_snapshot
from app.errors import CeleriacError, Conflict, NotFound
from app.jobs.model.job import Job, JobId, JobState, JobSummary, Run
from app.jobs.store.job_store import JobFilter
from app.storage import audit_log
from app.telemetry import masking

PAGE = 50

FAILURES_SINCE = timedelta(hours=1)
FAILURES_READ = 500

LINE = 200
"""Characters of a message in a list."""

WHOLE = 20_000
"""Characters of a message on the page of its job."""


class PlatformSource:
    """The queues, pools and jobs of the platform that the API serves."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def overview(self) -> Overview:
        seen = await self.capacity()
        counts, failures = await run_in_threadpool(self._jobs, seen.at)
        return replace(seen, counts=counts, failures=failures)

    async def capacity(self) -> Overview:
        at = datetime.now(UTC)
        problem = None
        queues: tuple[ConsoleQueue, ...] = ()
        pools: dict[str, PoolStatus] = {}
        try:
            pools = await self._pools()
            queues = await self._queues(pools)
        except CeleriacError as error:
            problem = error.client_message
        return Overview(
            at=at,
            queues=queues,
            pools=tuple(_pool(name, pools[name]) for name in sorted(pools)),
            counts={},
            failures=(),
            problem=problem,
        )

    async def jobs(self, search: JobSearch) -> JobList:
        return await run_in_threadpool(self._list, search)

    async def job(self, job_id: str) -> ConsoleJobDetail:
        return await run_in_threadpool(self._detail, JobId(job_id))

    async def cancel(self, job_ids: Sequence[str], viewer: Viewer) -> int:
        return await self._act("job.cancel", self._services.jobs.cancel, job_ids, viewer)

    async def retry(self, job_ids: Sequence[str], viewer: Viewer) -> int:
        return await self._act("job.retry", self._services.jobs.retry, job_ids, viewer)

    async def _act(
        self, action: str, act: Callable[[JobId], Job], job_ids: Sequence[str], viewer: Viewer
    ) -> int:
        done = await run_in_threadpool(self._each, act, job_ids, viewer)
        audit_log.current().describe(
            action=action, subject=done[0] if done else "", count=len(done)
        )
        return len(done)

    async def _pools(self) -> dict[str, PoolStatus]:
        async with self._services.broker.asking() as client:
            published = await client.get(pool_snapshot.KEY)
        return {} if published is None else dict(pool_snapshot.parse_snapshot(published).pools)

    async def _queues(self, pools: dict[str, PoolStatus]) -> tuple[ConsoleQueue, ...]:
        names = [queue.name for queue in self._services.registry.queues.values()]
        readings = await self._services.depth.read(names, now_s=time.time(), horizon_s=0.0)
        serving = {queue.name: name for name, status in pools.items() for queue in status.queues}
        return tuple(
            ConsoleQueue(
                name=name,
                ready=readings[name].ready,
                unacked=readings[name].unacked,
                scheduled=readings[name].scheduled,
                oldest_age_s=readings[name].oldest_age_s,
                pool=serving.get(name),
            )
            for name in names
        )

    def _jobs(self, now: datetime) -> tuple[dict[str, int], tuple[FailureGroup, ...]]:
        counts = self._services.jobs.counts_by_state()
        failed = self._services.jobs.list(
            JobFilter(states=frozenset({JobState.FAILED})), cursor=None, limit=FAILURES_READ
        )
        recent = [job for job in failed.jobs if (job.finished_at or now) >= now - FAILURES_SINCE]
        return {state.value: count for state, count in counts.items()}, _groups(recent)

    def _list(self, search: JobSearch) -> JobList:
        wanted = JobFilter(
            pipeline=search.kind,
            states=frozenset({JobState(search.state)} if search.state else ()),
            parent_id=JobId(search.parent) if search.parent else None,
            labels=search.labels,
            is_dead_lettered=True if search.is_dead_lettered else None,
        )
        cursor = JobId(search.cursor) if search.cursor else None
        page = self._services.jobs.list(wanted, cursor=cursor, limit=PAGE)
        every_state = JobFilter(
            pipeline=wanted.pipeline,
            parent_id=wanted.parent_id,
            labels=wanted.labels,
            is_dead_lettered=wanted.is_dead_lettered,
        )
        counts = self._services.jobs.counts_by_state(every_state)
        return JobList(
            jobs=tuple(map(_job, page.jobs)),
            next_cursor=page.next_cursor,
            counts={state.value: count for state, count in counts.items()},
        )

    def _detail(self, job_id: JobId) -> ConsoleJobDetail:
        jobs = self._services.jobs
        job = jobs.get(job_id)
        counts = jobs.counts_of_children([job.id]).get(job.id)
        links = Links("")
        return ConsoleJobDetail(
            job=_job(job, limit=WHOLE),
            params=masking.without_credentials(job.params),
            result=masking.without_credentials(job.result),
            runs=tuple(map(_run, jobs.runs(job.id))),
            files=tuple(
                ConsoleFile(
                    name=artifact.name,
                    media_type=artifact.media_type,
                    size_bytes=artifact.size_bytes,
                    url=links.artifact(job.id, artifact.name),
                )
                for artifact in job.artifacts
            ),
            children=None
            if counts is None
            else {state.value: getattr(counts, state.value) for state in JobState},
            queue=self._queue_of(job),
        )

    def _queue_of(self, job: Job) -> str | None:
        try:
            return self._services.jobs.pipeline(job.pipeline).stage(job.stage).queue
        except CeleriacError:  # a pipeline that this process does not have
            return None

    def _each(
        self, act: Callable[[JobId], Job], job_ids: Sequence[str], viewer: Viewer
    ) -> list[str]:
        """Those that could be done."""
        done: list[str] = []
        for job_id in job_ids:
            try:
                if self._may_change(JobId(job_id), viewer):
                    act(JobId(job_id))
                    done.append(job_id)
            except (Conflict, NotFound):
                continue  # it has moved on meanwhile
        return done

    def _may_change(self, job_id: JobId, viewer: Viewer) -> bool:
        pipeline = self._services.registry.get(self._services.jobs.get(job_id).pipeline)
        needed = AccessScope.SUBMIT if pipeline is None else pipeline.scope
        return viewer.may_maintain or AccessScope.SUBMIT.includes(needed)


def _pool(name: str, status: PoolStatus) -> ConsolePool:
    return ConsolePool(
        name=name,
        state=status.state or "Unknown",
        replicas=status.replicas,
        ready=status.ready_replicas,
        desired=status.desired_replicas,
        draining=status.draining_replicas,
        maximum=status.max_replicas,
        backlog=status.backlog,
        active=status.active_tasks,
        arrivals_per_s=status.arrival_rate,
        runtime_s=status.mean_runtime_s,
        explanation=tuple(status.explanation),
        conditions=tuple(
            ConsoleCondition(
                type=one.type, status=one.status, reason=one.reason, message=one.message
            )
            for one in status.conditions
        ),
    )


def _job(job: Job | JobSummary, *, limit: int = LINE) -> ConsoleJob:
    error = job.error
    return ConsoleJob(
        id=job.id,
        kind=job.pipeline,
        state=job.state,
        stage=job.stage,
        progress=job.progress,
        message=_line(job.message, limit),
        error_type=None if error is None else error.type,
        error_message=None if error is None else _line(error.message, limit),
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        not_before=job.not_before,
        is_dead_lettered=job.dead_lettered_at is not None,
        cancel_requested=job.cancel_requested,
        parent_id=job.parent_id,
        labels=job.labels,
    )


def _run(run: Run) -> ConsoleRun:
    return ConsoleRun(
        stage=run.stage,
        attempt=run.attempt,
        worker=run.worker,
        started_at=run.started_at,
        ended_at=run.ended_at,
        outcome=run.outcome,
        error=None if run.error is None else f"{run.error.type}: {_line(run.error.message)}",
    )


def _groups(failed: Sequence[JobSummary]) -> tuple[FailureGroup, ...]:
    """By kind and type of error, the largest first."""
    by_cause: dict[tuple[str, str], list[JobSummary]] = defaultdict(list)
    for job in failed:
        by_cause[job.pipeline, job.error.type if job.error is not None else "unknown"].append(job)
    groups = []
    for (kind, error_type), jobs in by_cause.items():
        times = [job.finished_at or job.created_at for job in jobs]
        newest = jobs[0]
        groups.append(
            FailureGroup(
                kind=kind,
                error_type=error_type,
                count=len(jobs),
                first_at=min(times),
                last_at=max(times),
                example_id=newest.id,
                example_message=_line(newest.error.message) if newest.error is not None else "",
            )
        )
    return tuple(sorted(groups, key=lambda group: (-group.count, group.kind)))


def _line(text: str, limit: int = LINE) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
