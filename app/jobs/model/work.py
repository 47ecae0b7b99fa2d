"""`Work`: what a stage's function gets from the platform, beside its parameters.

The same function runs for a job (progress events, a lease, artifacts, cancel) and as plain Celery
without a job.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.jobs.model.job import Artifact, Job, JobId, JobRequest
from app.settings import Settings
from app.worker.sandbox.policy import Sandbox

if TYPE_CHECKING:
    import redis

    from app.jobs.content_stores import Stores
    from app.jobs.service import Jobs


class Work(Protocol):
    """One run of one stage."""

    @property
    def job_id(self) -> JobId | None:
        """The job, or None when the task was called as plain Celery."""

    @property
    def key(self) -> str:
        """Constant over the stages and attempts of a job, or of a chain of plain tasks."""

    @property
    def attempt(self) -> int:
        """1 for the first run of this stage."""

    @property
    def directory(self) -> Path:
        """The workspace: a folder for this job only, kept between stages and attempts. The platform
        removes it when the job ends."""

    @property
    def settings(self) -> Settings:
        """The settings of this process."""

    @property
    def stores(self) -> "Stores":
        """Stores of files, uploads, sources, chunks, notifications and others."""

    @property
    def jobs(self) -> "Jobs":
        """Look up and submit other jobs."""

    @property
    def threads(self) -> int:
        """Number of threads that a child process may use."""

    @property
    def redis(self) -> "redis.Redis":
        """A client of the broker's server, for limits shared by all workers."""

    def progress(
        self,
        percent: float,
        message: str = "",
        *,
        speed: str | None = None,
        eta_seconds: float | None = None,
    ) -> None:
        """Report 0-100 % of this stage. Cheap enough to call often.

        Raises Cancelled or Superseded, or LimitExceeded past the stage's time limit, like `check`.
        """

    def check(self) -> None:
        """Raise Cancelled or Superseded if the work should stop."""

    def run_process(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
        sandbox: Sandbox | None = None,
    ) -> str:
        """Run a program in its own process group. Return the end of its standard error.

        `on_line` gets each line of its standard output. Pass a `sandbox` to a program that reads
        untrusted files. The group is killed when the work is
        stopped, `on_line` raises, the time is over, or this process dies.
        Raises ProcessFailed (exit code and the end of its output), and NotConfigured where the
        sandbox is required and cannot be had.
        """

    def submit_children(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        """Submit child jobs, all or none. They are counted in this job and cancelled with it; a
        stage that is `after_children` waits for them. Without a job they have no parent.

        Give each an idempotency key that starts with `key`, so that a stage that runs again finds
        the jobs that it has submitted. Raises Superseded and StorageUnavailable.
        """

    def save_artifact(self, path: Path, *, name: str, media_type: str) -> Artifact:
        """Store a file as an artifact of the job. A file of the same name is replaced."""
