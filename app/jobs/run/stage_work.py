"""`Work` as stages get it: in a run of a job, and in a task that was called as plain Celery."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.errors import Superseded
from app.jobs.content_stores import Stores
from app.jobs.model.clock import Clock
from app.jobs.model.job import Artifact, Job, JobId, JobRequest, JsonObject, Progress
from app.jobs.model.ticket import Hold
from app.jobs.run import progress, workspace
from app.jobs.run.progress import Meter
from app.jobs.run.stop import Stop
from app.jobs.service import Jobs
from app.settings import Settings
from app.worker.sandbox.policy import Sandbox

if TYPE_CHECKING:
    import redis


class Leases(Protocol):
    """What the holder of a lease writes (`store.leases`)."""

    def save_progress(self, hold: Hold, progress: Progress) -> None: ...

    def save_artifact(
        self, hold: Hold, artifact: Artifact, *, key: str, now: datetime
    ) -> tuple[bool, str | None]:
        """Record an artifact: whether the job is still ours, and the key that it replaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageParts:
    """What composition hands to every stage of this process."""

    settings: Settings
    stores: Stores
    jobs: Jobs
    redis: "redis.Redis"
    threads: Callable[[], int]
    clock: Clock


class StageWork:
    """The part of `Work` that is the same with and without a job."""

    def __init__(self, parts: StageParts, *, key: str, attempt: int, stop: Stop) -> None:
        self._parts = parts
        self._key = key
        self._attempt = attempt
        self._stop = stop

    @property
    def key(self) -> str:
        return self._key

    @property
    def attempt(self) -> int:
        return self._attempt

    @property
    def directory(self) -> Path:
        return workspace.folder(self._parts.settings.files.temp_dir, self._key)

    @property
    def settings(self) -> Settings:
        return self._parts.settings

    @property
    def stores(self) -> Stores:
        return self._parts.stores

    @property
    def jobs(self) -> Jobs:
        return self._parts.jobs

    @property
    def threads(self) -> int:
        return self._parts.threads()

    def check(self) -> None:
        self._stop.check()

    @property
    def redis(self) -> "redis.Redis":
        return self._parts.redis

    def run_process(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
        sandbox: Sandbox | None = None,
    ) -> str:
        return workspace.run_process(
            self._stop,
            command,
            on_line=on_line,
            timeout_s=timeout_s,
            sandbox=sandbox,
            mode=self.settings.worker.sandbox,
        )

    def _stored(self, path: Path, *, folder: str, name: str, media_type: str) -> Artifact:
        if path.exists():
            self._parts.jobs.quotas.check_artifact(path.stat().st_size)
        stored = self._parts.stores.artifacts.save(path, key=f"{folder}/{name}")
        return Artifact(
            name=name,
            media_type=media_type,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
        )


class JobWork(StageWork):
    """One run of one stage of a job."""

    def __init__(
        self,
        parts: StageParts,
        job: Job,
        *,
        leases: Leases,
        stop: Stop,
        meter: Meter,
        share: tuple[float, float],
        attempt: int,
    ) -> None:
        super().__init__(parts, key=job.id, attempt=attempt, stop=stop)
        self._hold = Hold(job_id=job.id, fence=job.fence)
        self._leases = leases
        self._meter = meter
        self._share = share

    @property
    def job_id(self) -> JobId | None:
        return self._hold.job_id

    def progress(
        self,
        percent: float,
        message: str = "",
        *,
        speed: str | None = None,
        eta_seconds: float | None = None,
    ) -> None:
        self._stop.check()
        whole = progress.job_percent(percent, share=self._share)
        self._meter.report(
            Progress(progress=whole, message=message, speed=speed, eta_seconds=eta_seconds)
        )

    def submit_children(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        self._stop.check()
        return self._parts.jobs.submit_children(requests, parent=self._hold)

    def save_artifact(self, path: Path, *, name: str, media_type: str) -> Artifact:
        self._stop.check()
        # The fence is part of the key: a run that was superseded overwrites nothing.
        folder = f"jobs/{self._hold.job_id}/{self._hold.fence}"
        artifact = self._stored(
            path, folder=folder, name=workspace.checked_name(name), media_type=media_type
        )
        key = f"{folder}/{artifact.name}"
        artifacts = self._parts.stores.artifacts
        is_ours, replaced = self._leases.save_artifact(
            self._hold, artifact, key=key, now=self._parts.clock.now()
        )
        if not is_ours:
            artifacts.delete(key)
            raise Superseded("the lease was lost: another attempt owns the job")
        if replaced is not None:
            artifacts.delete(replaced)
        return artifact


class PlainWork(StageWork):
    """One run of a task without a job. `report` stores the progress as the task's state in
    Celery."""

    def __init__(
        self,
        parts: StageParts,
        *,
        key: str,
        attempt: int,
        report: Callable[[JsonObject], None],
    ) -> None:
        super().__init__(parts, key=key, attempt=attempt, stop=Stop())
        self._meter = Meter(lambda progress: report(asdict(progress)), floor=0.0)

    @property
    def directory(self) -> Path:
        return workspace.plain_folder(self._parts.settings.files.temp_dir, self._key)

    @property
    def job_id(self) -> JobId | None:
        return None

    def progress(
        self,
        percent: float,
        message: str = "",
        *,
        speed: str | None = None,
        eta_seconds: float | None = None,
    ) -> None:
        self._meter.report(
            Progress(progress=percent, message=message, speed=speed, eta_seconds=eta_seconds)
        )

    def submit_children(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        return self._parts.jobs.submit_many(requests)

    def save_artifact(self, path: Path, *, name: str, media_type: str) -> Artifact:
        folder = f"plain/{workspace.folder_name(self.key)}"
        return self._stored(
            path, folder=folder, name=workspace.checked_name(name), media_type=media_type
        )
