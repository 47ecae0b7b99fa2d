"""For the tests of a pipeline: work that records its progress, and a platform that needs no server.

with testing.eager_platform(tmp_path, "wordcount") as platform:
    upload_id = platform.add_upload(b"the sea", name="speech.txt")
    job = platform.submit("word-count", upload_id=upload_id)
    assert job.result == {"words": 2, "top": [["the", 1], ["sea", 1]]}
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app import celery_app
from app.errors import Cancelled
from app.jobs import platform as platforms
from app.jobs.content_stores import Stores
from app.jobs.model import stage
from app.jobs.model.job import Artifact, Job, JobId, JobRequest, JsonObject
from app.jobs.platform import Platform
from app.jobs.run import workspace
from app.jobs.run.stop import Stop
from app.jobs.service import Jobs
from app.pipelines import registry
from app.settings import Settings
from app.storage import migrate
from app.worker.sandbox.policy import Sandbox

if TYPE_CHECKING:
    import redis

NO_BROKER = "redis://127.0.0.1:1/0"
"""An address that refuses connections: events of jobs are dropped, as in any outage of Redis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressReport:
    """One report of a stage's progress."""

    percent: float
    message: str
    speed: str | None = None
    eta_seconds: float | None = None


@dataclass(kw_only=True)
class RecordedWork:
    """A `Work` on real stores, files and processes that records what a stage reports.

    Two of one `key` share their workspace, as the attempts of one job do. `cancel_when` sees each
    report and can cancel the work.
    """

    platform: Platform
    job_id: JobId | None = None
    key: str = "recorded"
    attempt: int = 1
    reports: list[ProgressReport] = field(default_factory=list)
    stop: Stop = field(default_factory=Stop)
    cancel_when: Callable[[ProgressReport], bool] = lambda report: False

    @property
    def directory(self) -> Path:
        return workspace.folder(self.settings.files.temp_dir, self.key)

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
        """The reported percents, in order."""
        return [report.percent for report in self.reports]

    def progress(
        self,
        percent: float,
        message: str = "",
        *,
        speed: str | None = None,
        eta_seconds: float | None = None,
    ) -> None:
        report = ProgressReport(
            percent=percent, message=message, speed=speed, eta_seconds=eta_seconds
        )
        self.reports.append(report)
        if self.cancel_when(report):
            self.cancel()
        self.check()

    def cancel(self) -> None:
        """Stop the work, as if its job were cancelled."""
        self.stop.request(Cancelled("the test cancelled the work"))

    def check(self) -> None:
        self.stop.check()

    def run_process(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
        sandbox: Sandbox | None = None,
    ) -> str:
        return workspace.run_process(
            self.stop,
            command,
            on_line=on_line,
            timeout_s=timeout_s,
            sandbox=sandbox,
            mode=self.settings.worker.sandbox,
        )

    def submit_children(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        return self.jobs.submit_many(requests)

    def save_artifact(self, path: Path, *, name: str, media_type: str) -> Artifact:
        stored = self.stores.artifacts.save(path, key=_artifact_key(name))
        return Artifact(
            name=name,
            media_type=media_type,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
        )

    def artifact(self, name: str) -> bytes:
        """The content of a saved artifact."""
        return b"".join(self.stores.artifacts.stream(_artifact_key(name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EagerPlatform:
    """A platform whose jobs run within `submit`, on SQLite and a folder."""

    platform: Platform
    folder: Path

    def add_upload(self, content: bytes, *, name: str) -> str:
        """Store a file as a client would upload it. Returns its id."""
        file = self.folder / "upload"
        file.write_bytes(content)
        media_type = "application/octet-stream"
        return self.platform.stores.uploads.add(file, filename=name, media_type=media_type).id

    def submit(self, kind: str, **params: object) -> Job:
        """Run a job and return it. Raises InvalidInput for parameters that do not fit."""
        model = self.platform.jobs.pipeline(kind).params
        given: JsonObject = stage.parsed(model, params).model_dump(mode="json")
        return self.platform.jobs.submit(JobRequest(pipeline=kind, params=given))

    def artifact(self, job: Job, name: str) -> bytes:
        """The content of an artifact of the job. Raises NotFound."""
        _, key = self.platform.jobs.artifact(job.id, name)
        return b"".join(self.platform.stores.artifacts.stream(key))

    def work(self) -> RecordedWork:
        """Work to call a stage's function with."""
        return RecordedWork(platform=self.platform)


@contextmanager
def eager_platform(
    folder: Path, *modules: str, settings: Mapping[str, str] | None = None
) -> Iterator[EagerPlatform]:
    """A platform with the pipelines of these modules beside ours. `settings` are environment
    variables; those of the platform's own files and database lie in the folder."""
    environment = {
        "CELERY_BROKER_URL": NO_BROKER,
        "CELERY_TASK_ALWAYS_EAGER": "true",
        "DATABASE_URL": f"sqlite:///{folder / 'celeriac.db'}",
        "TEMP_DIR": str(folder / "temp"),
        "STORAGE_DIR": str(folder / "storage"),
        "CACHE_DIR": str(folder / "cache"),
        "CELERIAC_PIPELINES": ",".join(modules),
        **(settings or {}),
    }
    with _environment(environment):
        migrate.upgrade(environment["DATABASE_URL"])
        application = celery_app.create(Settings(), registry.discover(modules))
        found = platforms.of(application)
        try:
            yield EagerPlatform(platform=found, folder=folder)
        finally:
            found.close()
            application.close()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set the environment, which settings are read from when they are first used."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _artifact_key(name: str) -> str:
    return f"recorded/{workspace.checked_name(name)}"
