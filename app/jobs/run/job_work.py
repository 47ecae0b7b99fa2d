"""`Work` of a run that is tied to a job."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.errors import Superseded
from app.jobs.model.job import Artifact, Job, JobId, JobRequest, Seen
from app.jobs.platform import Platform
from app.jobs.run import progress, workspace
from app.jobs.run.progress import Meter
from app.jobs.run.running import Running
from app.jobs.run.stop import Stop
from app.jobs.service import Jobs
from app.jobs.store.claims import Hold


class JobWork(Running):
    """One run of one stage of a job."""

    def __init__(
        self,
        platform: Platform,
        job: Job,
        *,
        stop: Stop,
        meter: Meter,
        share: tuple[float, float],
        attempt: int,
    ) -> None:
        super().__init__(platform, key=job.id, attempt=attempt, stop=stop)
        self._job = job
        self._meter = meter
        self._share = share

    @property
    def job_id(self) -> JobId | None:
        return self._job.id

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
            Seen(progress=whole, message=message, speed=speed, eta_seconds=eta_seconds)
        )

    def submit_children(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        self._stop.check()
        hold = Hold(job_id=self._job.id, fence=self._job.fence)
        return Jobs(self._platform).submit_children(requests, parent=hold)

    def save_artifact(self, path: Path, *, name: str, media_type: str) -> Artifact:
        self._stop.check()
        # The fence is part of the key: a run that was superseded overwrites nothing.
        folder = f"jobs/{self._job.id}/{self._job.fence}"
        artifact = self._stored(
            path, folder=folder, name=workspace.checked_name(name), media_type=media_type
        )
        key = f"{folder}/{artifact.name}"
        hold = Hold(job_id=self._job.id, fence=self._job.fence)
        is_ours, replaced = self._platform.claims.keep_artifact(
            hold, artifact, key=key, now=datetime.now(UTC)
        )
        if not is_ours:
            self._platform.artifacts.delete(key)
            raise Superseded("the lease was lost: another attempt owns the job")
        if replaced is not None:
            self._platform.artifacts.delete(replaced)
        return artifact
