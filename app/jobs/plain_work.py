"""`Work` of a task that was called as plain Celery: no row, no lease, nothing to cancel."""

from collections.abc import Callable, Sequence
from pathlib import Path

from app.jobs import workspace
from app.jobs.events import Seen
from app.jobs.model import Artifact, Job, JobId, JobRequest, JsonObject
from app.jobs.platform import Platform
from app.jobs.progress import Meter
from app.jobs.service import Jobs
from app.jobs.stop import Stop


class PlainWork:
    """One run of a task. `tell` shows progress to whoever asks Celery for the task's state."""

    def __init__(
        self,
        platform: Platform,
        *,
        key: str,
        attempt: int,
        tell: Callable[[JsonObject], None],
    ) -> None:
        self._platform = platform
        self._key = key
        self._attempt = attempt
        self._stop = Stop()
        self._meter = Meter(lambda seen: tell(_meta(seen)), floor=0.0)

    @property
    def job_id(self) -> JobId | None:
        return None

    @property
    def key(self) -> str:
        return self._key

    @property
    def attempt(self) -> int:
        return self._attempt

    @property
    def directory(self) -> Path:
        return workspace.folder(self._platform.settings.files.temp_dir, self._key)

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
        self._meter.report(
            Seen(progress=percent, message=message, speed=speed, eta_seconds=eta_seconds)
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
        return Jobs(self._platform).submit_many(requests)

    def save_artifact(self, path: Path, *, name: str, media_type: str) -> Artifact:
        key = f"plain/{workspace.folder_name(self._key)}/{workspace.checked_name(name)}"
        stored = self._platform.artifacts.save(path, key=key)
        return Artifact(
            name=name,
            media_type=media_type,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
        )


def _meta(seen: Seen) -> JsonObject:
    return {
        "progress": seen.progress,
        "message": seen.message,
        "speed": seen.speed,
        "eta_seconds": seen.eta_seconds,
    }
