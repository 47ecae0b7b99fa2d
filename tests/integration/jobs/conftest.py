"""A platform in this process, over each database, and the test pipeline."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import celery_app
from app.jobs.model.clock import Clock
from app.jobs.model.job import Job, JobId, JobState
from app.jobs.model.pipeline import Registry
from app.jobs.platform import Platform, of
from app.jobs.service import Jobs
from app.settings import Settings
from tests import probe
from tests.integration import processes, serving
from tests.integration.conftest import settings_of, standing_settings
from tests.integration.processes import Process, StartBeat, StartWorker
from tests.waiting import eventually

PROBE = "tests.probe.application"
PROBES = Registry([probe.PIPELINE])


@pytest.fixture
def clock() -> Clock:
    """The platform's clock; a module of tests that turn it has its own."""
    return Clock()


@pytest.fixture
def platform(
    redis_url: str,
    database_url: str,
    tmp_path: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Platform]:
    """The platform of a client: nobody works here."""
    settings = settings_of(tmp_path, redis_url=redis_url, database_url=database_url)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with opened(Settings(), PROBES, clock=clock) as found:
        yield found


@pytest.fixture
def jobs(platform: Platform) -> Jobs:
    return platform.jobs


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
    with opened(read(environment), PROBES) as platform:
        yield Site(
            platform=platform,
            jobs=platform.jobs,
            start_worker=start_worker,
            start_beat=start_beat,
        )


@pytest.fixture(scope="module")
def standing_site(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[Site]:
    """A site for all tests of a module, with a threads worker and beat."""
    folder = tmp_path_factory.mktemp("site")
    with standing_settings(folder, sqlite_template) as environment:
        started = processes.Started(folder=folder, environment={**os.environ, **environment})
        with started, opened(read(environment), PROBES) as platform:
            site = Site(
                platform=platform,
                jobs=platform.jobs,
                start_worker=started.worker,
                start_beat=started.beat,
            )
            site.beat()
            site.worker(concurrency=8)
            yield site


def read(environment: Mapping[str, str]) -> Settings:
    """These settings, which are set in this process only to be read."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return serving.settings_of_now()


@contextmanager
def opened(
    settings: Settings, registry: Registry, *, clock: Clock | None = None
) -> Iterator[Platform]:
    platform = of(celery_app.create(settings, registry, clock=clock))
    yield platform
    platform.close()
    platform.celery.close()
