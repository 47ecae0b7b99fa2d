"""`Work` of a task that was called as plain Celery: no row, no lease, nothing to cancel."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from app.jobs.model.job import Artifact, Job, JobId, JobRequest, JsonObject, Progress
from app.jobs.run import workspace
from app.jobs.run.job_work import StageParts, StageWork
from app.jobs.run.progress import Meter
from app.jobs.run.stop import Stop


class PlainWork(StageWork):
    """One run of a task. `tell` shows progress to whoever asks Celery for the task's state."""

    def __init__(
        self,
        parts: StageParts,
        *,
        key: str,
        attempt: int,
        tell: Callable[[JsonObject], None],
    ) -> None:
        super().__init__(parts, key=key, attempt=attempt, stop=Stop())
        self._meter = Meter(lambda seen: tell(asdict(seen)), floor=0.0)

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
