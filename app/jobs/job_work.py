"""`Work` of a run that is tied to a job."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.errors import Superseded
from app.jobs import progress, workspace
from app.jobs.claims import Hold
from app.jobs.events import Seen
from app.jobs.model import Artifact, Job, JobId, JobRequest
from app.jobs.platform import Platform
from app.jobs.progress import Meter
from app.jobs.service import Jobs
from app.jobs.stop import Stop


class JobWork:
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
        self._platform = platform
        self._job = job
        self._stop = stop
        self._meter = meter
        self._share = share
        self._attempt = attempt

    @property
    def job_id(self) -> JobId | None:
        return self._job.id

    @property
    def key(self) -> str:
        return self._job.id

    @property
    def attempt(self) -> int:
        return self._attempt

    @property
    def directory(self) -> Path:
        return workspace.folder(self._platform.settings.files.temp_dir, self.key)

    @property
    def platform(self) -> Platform:
        return self._platform

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

    def check(self) -> None:
        self._stop.check()

    def run_process(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        return workspace.run_process(self._stop, command, on_line=on_line, timeout_s=timeout_s)

    def submit_children(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        self._stop.check()
        hold = Hold(job_id=self._job.id, fence=self._job.fence)
        return Jobs(self._platform).submit_children(requests, parent=hold)

    def save_artifact(self, path: Path, *, name: str, media_type: str) -> Artifact:
        self._stop.check()
        # The fence is part of the key: a run that was superseded overwrites nothing.
        key = f"jobs/{self._job.id}/{self._job.fence}/{workspace.checked_name(name)}"
        stored = self._platform.artifacts.save(path, key=key)
        artifact = Artifact(
            name=name,
            media_type=media_type,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
        )
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
