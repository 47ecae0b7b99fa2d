"""A `Work` for tests: one run of a stage on real stores and real processes, without a broker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import redis

from app.errors import Cancelled
from app.jobs.content_stores import Stores
from app.jobs.model.job import Artifact, Job, JobId, JobRequest
from app.jobs.platform import Platform
from app.jobs.run import workspace
from app.jobs.run.stop import Stop
from app.jobs.service import Jobs
from app.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One progress report."""

    percent: float
    message: str
    speed: str | None
    eta_seconds: float | None


@dataclass(kw_only=True)
class Desk:
    """Keeps what the work reports. `stop_when` sees each report and can cancel the work."""

    platform: Platform
    job_id: JobId | None = None
    key: str = "desk"
    attempt: int = 1
    said: list[Said] = field(default_factory=list)
    stop: Stop = field(default_factory=Stop)
    stop_when: Callable[[Said], bool] = lambda said: False

    @property
    def directory(self) -> Path:
        return workspace.folder(self.platform.settings.files.temp_dir, self.key)

    @property
    def settings(self) -> Settings:
        return self.platform.settings

    @property
    def stores(self) -> Stores:
        return self.platform.stores

    @property
    def jobs(self) -> Jobs:
        return self.platform.jobs

    @property
    def redis(self) -> "redis.Redis":
        return self.platform.redis

    @property
    def threads(self) -> int:
        return self.platform.threads

    @property
    def percents(self) -> list[float]:
        return [said.percent for said in self.said]

    def progress(
        self,
        percent: float,
        message: str = "",
        *,
        speed: str | None = None,
        eta_seconds: float | None = None,
    ) -> None:
        said = Said(percent=percent, message=message, speed=speed, eta_seconds=eta_seconds)
        self.said.append(said)
        if self.stop_when(said):
            self.cancel()
        self.check()

    def cancel(self) -> None:
        self.stop.request(Cancelled("the desk was cleared"))

    def check(self) -> None:
        self.stop.check()

    def run_process(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        return workspace.run_process(self.stop, command, on_line=on_line, timeout_s=timeout_s)

    def submit_children(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        return self.platform.jobs.submit_many(requests)

    def save_artifact(self, path: Path, *, name: str, media_type: str) -> Artifact:
        stored = self.stores.artifacts.save(path, key=f"desk/{workspace.checked_name(name)}")
        return Artifact(
            name=name,
            media_type=media_type,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
        )

    def artifact(self, name: str) -> bytes:
        """The content of a stored artifact."""
        return b"".join(self.stores.artifacts.stream(f"desk/{name}"))


class OpenDesk(Protocol):
    """Opens a desk; every desk of a test shares one folder, like the attempts of a job."""

    def __call__(self, **environment: str) -> Desk: ...
