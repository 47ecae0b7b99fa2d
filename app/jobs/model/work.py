"""What running work may ask of the platform: the one argument that a pipeline's functions take.

The same pipeline code runs tied to a job row (progress events, leases, artifacts, cancel), and as
plain Celery with no row at all.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.jobs.model.job import Artifact, Job, JobId, JobRequest
from app.settings import Settings

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
        """A name that stays the same over the stages and attempts of one piece of work."""

    @property
    def attempt(self) -> int:
        """1 for the first run of this stage."""

    @property
    def directory(self) -> Path:
        """An existing folder of this work alone, kept between its stages and attempts, and removed
        by the pipeline's last stage or finalizer."""

    @property
    def settings(self) -> Settings:
        """The settings of this process."""

    @property
    def stores(self) -> "Stores":
        """What pipelines keep: files, uploads, sources, chunks, notifications."""

    @property
    def jobs(self) -> "Jobs":
        """Other jobs: look them up, submit them."""

    @property
    def threads(self) -> int:
        """Threads that a child process of this run may have."""

    @property
    def redis(self) -> "redis.Redis":
        """The broker's server, for limits that all workers share."""

    def progress(
        self,
        percent: float,
        message: str = "",
        *,
        speed: str | None = None,
        eta_seconds: float | None = None,
    ) -> None:
        """Report 0-100 % of this stage. Cheap: call it as often as there is news.

        Raises Cancelled or Superseded, or LimitExceeded past the stage's time limit, like `check`.
        """

    def check(self) -> None:
        """Raise Cancelled or Superseded where the work should end now."""

    def run_process(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        """Run a child in its own process group; return the end of its standard error.

        `on_line` gets each line of its standard output. The group is killed when the work is
        stopped, when `on_line` raises, at the time-out, and when this process dies.
        Raises ProcessFailed (exit code and the end of its output).
        """

    def submit_children(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        """Submit jobs in the name of this one, all or none. They are cancelled with it, and counted
        in it; a stage that is `after_children` waits for them. Plain Celery submits them as jobs
        of their own.

        Give each an idempotency key made of `key` and what it is about: a stage that runs again
        finds the jobs that it submitted before. Raises Superseded, and StorageUnavailable.
        """

    def save_artifact(self, path: Path, *, name: str, media_type: str) -> Artifact:
        """Store a file under the job. Saving a name again replaces it."""
