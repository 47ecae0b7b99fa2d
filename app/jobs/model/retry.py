"""Whether and when a stage runs again after an error or a lost lease: pure decisions."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from app.errors import CeleriacError, PermanentError, RateLimited
from app.jobs.model.job import Job, JobError
from app.telemetry.masking import without_credentials

MESSAGE_LENGTH = 2_000

RETRY_AFTER_MAX_S = 24 * 3600.0
"""A server that asks for a longer pause than this is asked again after this."""


class Next(StrEnum):
    """What happens to the job."""

    RETRY = "retry"
    FAIL = "fail"
    """Trying again would fail again."""
    DEAD_LETTER = "dead_letter"
    """Failed too often: kept with its history until a client retries it."""
    CANCEL = "cancel"
    """Its cancel was asked for before its worker died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often and when a stage is tried again."""

    base_s: float
    max_s: float
    max_deliveries: int
    pauses: bool = True
    """Whether a failed stage waits before its next run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows, and why."""

    next: Next
    error: JobError
    delay_s: float | None = 0.0
    """The pause before the next run; None to start it at once."""


def after_error(
    error: BaseException, job: Job, *, policy: Policy, rng: Callable[[], float]
) -> Verdict:
    """The verdict on a run that ended with an error. `rng` gives numbers in [0, 1)."""
    what = job_error(error, attempt=job.attempt)
    if not what.retryable:
        return Verdict(next=Next.FAIL, error=what)
    failures = job.attempt - job.deliveries
    if failures >= job.max_attempts:
        return Verdict(next=Next.DEAD_LETTER, error=what)
    if not policy.pauses:
        return Verdict(next=Next.RETRY, error=what, delay_s=None)
    asked_s = error.retry_after_s if isinstance(error, RateLimited) else None
    delay_s = pause_s(failures, policy=policy, asked_s=asked_s, rng=rng)
    return Verdict(next=Next.RETRY, error=what, delay_s=delay_s)


def after_lost_lease(job: Job, *, policy: Policy) -> Verdict:
    """The verdict on a run whose worker died or stalled. `job` is as that worker left it."""
    lost = job.deliveries + 1
    if job.cancel_requested:
        return Verdict(next=Next.CANCEL, error=_lost(job, "its worker died"))
    if lost >= policy.max_deliveries:
        message = f"poison: {lost} workers in a row died or stalled in this stage"
        return Verdict(next=Next.DEAD_LETTER, error=_lost(job, message, type="PoisonedJob"))
    return Verdict(next=Next.RETRY, error=_lost(job, "its worker died or stalled"))


def pause_s(
    failures: int, *, policy: Policy, asked_s: float | None, rng: Callable[[], float]
) -> float:
    """The pause after the n-th failure: our own, or the one asked for when that is longer."""
    own_s = backoff_s(failures, base_s=policy.base_s, max_s=policy.max_s, rng=rng)
    if asked_s is None:
        return own_s
    return max(own_s, min(asked_s, RETRY_AFTER_MAX_S) * (1 + 0.1 * rng()))


def backoff_s(failures: int, *, base_s: float, max_s: float, rng: Callable[[], float]) -> float:
    """The pause after the n-th failure (n from 1): between half and all of `base_s * 2^(n-1)`.

    The half that is left to chance spreads the retries of jobs that failed together ("equal
    jitter"); the other half keeps a floor under the pause.

    >>> backoff_s(3, base_s=60, max_s=3600, rng=lambda: 0.5)
    180.0
    """
    doublings = min(failures - 1, 32)  # past this every base reaches its cap
    full_s = min(max_s, base_s * 2.0**doublings)
    return full_s / 2 + full_s / 2 * rng()


def job_error(error: BaseException, *, attempt: int) -> JobError:
    """The error as the row keeps it. Anything that is not known to be permanent may heal."""
    message = error.client_message if isinstance(error, CeleriacError) else str(error)
    message = without_credentials(message)
    return JobError(
        type=error.type if isinstance(error, CeleriacError) else type(error).__name__,
        message=(message.strip() or type(error).__name__)[:MESSAGE_LENGTH],
        retryable=not isinstance(error, PermanentError),
        attempt=attempt,
    )


def _lost(job: Job, message: str, *, type: str = "WorkerLost") -> JobError:
    return JobError(type=type, message=message, retryable=True, attempt=job.attempt)
