"""A platform for all tests of a module, whose workers are real processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.jobs.model.job import Job, JobId, JobRequest
from app.jobs.platform import Platform
from app.jobs.publish import job_events
from app.jobs.service import Jobs
from tests.integration import serving
from tests.integration.conftest import standing_settings
from tests.integration.processes import Process, Started
from tests.waiting import eventually

ONLY_THE_SITE = {
    "CELERIAC_ALLOW_PRIVATE_ADDRESSES": "false",
    "CELERIAC_ALLOWED_NETWORKS": "127.0.0.1/32",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A platform on Valkey and SQLite with its workers."""

    platform: Platform
    jobs: Jobs
    temp_dir: Path
    storage_dir: Path
    started: Started
    workers: tuple[Process, ...] = ()

    @property
    def remains(self) -> list[str]:
        """What is left in TEMP_DIR."""
        is_there = self.temp_dir.exists()
        return sorted(path.name for path in self.temp_dir.iterdir()) if is_there else []

    def submit(self, pipeline: str, **params: object) -> JobId:
        return self.jobs.submit(JobRequest(pipeline=pipeline, params=params)).id

    def upload(self, content: bytes, name: str) -> str:
        file = self.temp_dir.parent / "upload"
        file.write_bytes(content)
        media_type = "application/octet-stream"
        return self.platform.stores.uploads.add(file, filename=name, media_type=media_type).id

    def ended(self, job_id: JobId) -> Job:
        """The job, once it is over."""
        eventually(lambda: self.jobs.get(job_id).state.is_final, within_s=120, why=job_id)
        return self.jobs.get(job_id)


@contextmanager
def built(folder: Path, sqlite_template: Path) -> Iterator[House]:
    """A house of its own, without workers."""
    with (
        standing_settings(folder, sqlite_template) as settings,
        pytest.MonkeyPatch.context() as patch,
    ):
        environment = {**settings, **ONLY_THE_SITE}
        for name, value in environment.items():
            patch.setenv(name, value)
        platform = serving.platform_from_environment()
        with Started(folder=folder, environment={**os.environ, **environment}) as started:
            yield House(
                platform=platform,
                jobs=platform.jobs,
                temp_dir=folder / "temp",
                storage_dir=folder / "storage",
                started=started,
            )
        platform.close()
        platform.celery.close()


def told(house: House, job_id: JobId) -> list[bytes]:
    """The data of every event of the job."""
    entries: Any = house.platform.redis.xrange(job_events.stream_key(job_id))  # sync or async
    return [fields[b"data"] for _, fields in entries]
