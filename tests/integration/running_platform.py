"""The platform as our tests run it: this process is its client, workers and beat are processes.

    with running_platform.standing(folder, sqlite_template) as running:  # on servers of its own
        running.beat()
        running.worker(["download", "conversion", "cleanup"])
        job = running.ended(running.submit("media", url=f"{site.url}/video"))

The fixtures `running` and `standing` of `conftest.py` do the first line.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from app.jobs.model.job import Job, JobId, JobRequest, JobState
from app.jobs.model.pipeline import Registry
from app.jobs.platform import Platform
from app.jobs.publish import job_events
from app.jobs.service import Jobs
from tests.integration import serving
from tests.integration.environments import standing_settings
from tests.integration.processes import Process, Started
from tests.waiting import eventually

APP = "app.celery_app"

PROBE_QUEUES = ("default", "download", "cleanup")
"""The queues of the test pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPlatform:
    """A platform on real servers. No worker runs yet."""

    platform: Platform
    started: Started
    folder: Path
    """Its TEMP_DIR is `temp` in here, its STORAGE_DIR `storage`."""
    app: str = APP
    workers: list[Process] = field(default_factory=list)

    @property
    def jobs(self) -> Jobs:
        return self.platform.jobs

    @property
    def temp_dir(self) -> Path:
        return self.folder / "temp"

    @property
    def storage_dir(self) -> Path:
        return self.folder / "storage"

    @property
    def remains(self) -> list[str]:
        """What is left in TEMP_DIR."""
        is_there = self.temp_dir.exists()
        return sorted(path.name for path in self.temp_dir.iterdir()) if is_there else []

    def worker(
        self,
        queues: Sequence[str] = PROBE_QUEUES,
        *,
        pool: str = "threads",
        concurrency: int = 2,
        env: Mapping[str, str] | None = None,
    ) -> Process:
        """A ready worker, by default for every stage of the test pipeline."""
        found = self.started.worker(
            queues, pool=pool, concurrency=concurrency, env=env, app=self.app
        )
        self.workers.append(found)
        return found

    def beat(self) -> Process:
        return self.started.beat(app=self.app)

    def submit(self, pipeline: str, **params: object) -> JobId:
        return self.jobs.submit(JobRequest(pipeline=pipeline, params=params)).id

    def upload(self, content: bytes, name: str) -> str:
        """The id of an upload with this content."""
        file = self.folder / "upload"
        file.write_bytes(content)
        media_type = "application/octet-stream"
        return self.platform.stores.uploads.add(file, filename=name, media_type=media_type).id

    def ended(self, job_id: JobId, *, within_s: float = 120.0) -> Job:
        """The job, once it is over."""

        def over() -> Job | None:
            job = self.jobs.get(job_id)
            return job if job.state.is_final else None

        return eventually(over, within_s=within_s, why=f"end of {job_id}") or self.jobs.get(job_id)

    def at_stage(self, job_id: JobId, stage: str) -> Job:
        """The job, once this stage of it runs."""

        def runs() -> Job | None:
            job = self.jobs.get(job_id)
            return job if (job.state, job.stage) == (JobState.RUNNING, stage) else None

        return eventually(runs, why=f"{stage} of {job_id} runs") or self.jobs.get(job_id)

    def events(self, job_id: JobId) -> list[bytes]:
        """The data of every event of the job."""
        entries: Any = self.platform.redis.xrange(job_events.stream_key(job_id))  # sync or async
        return [fields[b"data"] for _, fields in entries]


@contextmanager
def opened(
    environment: Mapping[str, str],
    folder: Path,
    *,
    registry: Registry | None = None,
    app: str = APP,
) -> Iterator[RunningPlatform]:
    """A platform with these settings, which are set in this process only to be read. `app` is the
    application of its workers, `registry` holds its pipelines."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        platform = serving.platform_from_environment(registry)
    with Started(folder=folder, environment={**os.environ, **environment}) as started:
        yield RunningPlatform(platform=platform, started=started, folder=folder, app=app)
    platform.close()
    platform.celery.close()


@contextmanager
def standing(
    folder: Path,
    sqlite_template: Path,
    *,
    registry: Registry | None = None,
    app: str = APP,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[RunningPlatform]:
    """A platform for a whole module, on a Valkey and a database of its own."""
    with (
        standing_settings(folder, sqlite_template) as environment,
        opened({**environment, **settings}, folder, registry=registry, app=app) as found,
    ):
        yield found
