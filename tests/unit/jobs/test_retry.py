"""Whether and when a stage is tried again."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    PermanentError,
    ProcessFailed,
    RateLimited,
    RetryableError,
)
from app.jobs.model import retry
from app.jobs.model.job import JobError
from app.jobs.model.retry import Next, Policy, Verdict
from tests.unit.jobs import build

POLICY = Policy(base_s=60.0, max_s=3600.0, max_deliveries=5)


def half() -> float:
    return 0.5


@pytest.mark.parametrize(
    ("failures", "shortest", "longest"),
    [
        pytest.param(1, 30, 60, id="the first retry comes within the base"),
        pytest.param(2, 60, 120, id="the second one within twice of it"),
        pytest.param(3, 120, 240, id="the third one within four times"),
        pytest.param(7, 1800, 3600, id="the cap holds"),
        pytest.param(10_000, 1800, 3600, id="no number of failures is too large"),
    ],
)
def test_backoff_doubles_up_to_its_cap(failures: int, shortest: float, longest: float) -> None:
    low = retry.backoff_s(failures, base_s=60.0, max_s=3600.0, rng=lambda: 0.0)
    high = retry.backoff_s(failures, base_s=60.0, max_s=3600.0, rng=lambda: 1.0)

    assert (low, high) == (shortest, longest)


@given(
    failures=st.integers(1, 1000),
    base_s=st.floats(0, 1e6),
    max_s=st.floats(0, 1e6),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_backoff_stays_within_half_and_all_of_its_cap(
    failures: int, base_s: float, max_s: float, chance: float
) -> None:
    pause = retry.backoff_s(failures, base_s=base_s, max_s=max_s, rng=lambda: chance)

    assert min(base_s, max_s) / 2 <= pause <= max_s


@given(chance=st.floats(0, 1, exclude_max=True))
def test_backoff_never_shrinks(chance: float) -> None:
    pauses = [
        retry.backoff_s(failures, base_s=1.0, max_s=100.0, rng=lambda: chance)
        for failures in range(1, 20)
    ]

    assert all(earlier <= later for earlier, later in pairwise(pauses))


@pytest.mark.parametrize(
    ("asked_s", "want"),
    [
        pytest.param(None, 45.0, id="nothing asked: our own pause"),
        pytest.param(10.0, 45.0, id="our own pause is longer"),
        pytest.param(100.0, 105.0, id="theirs is longer, and spread a little"),
        pytest.param(1e9, 24 * 3600 * 1.05, id="nobody waits for ever"),
    ],
)
def test_pause_honours_what_the_other_side_asks_for(asked_s: float | None, want: float) -> None:
    assert retry.pause_s(1, policy=POLICY, asked_s=asked_s, rng=half) == pytest.approx(want)


@pytest.mark.parametrize(
    ("error", "attempt", "deliveries", "want", "delay_s"),
    [
        pytest.param(RetryableError("x"), 1, 0, Next.RETRY, 45.0, id="first failure"),
        pytest.param(RetryableError("x"), 3, 0, Next.RETRY, 180.0, id="last retry"),
        pytest.param(RetryableError("x"), 4, 0, Next.DEAD_LETTER, 0.0, id="exhausted"),
        pytest.param(RetryableError("x"), 5, 2, Next.RETRY, 180.0, id="lost workers do not count"),
        pytest.param(ValueError("x"), 1, 0, Next.RETRY, 45.0, id="an unknown error may heal"),
        pytest.param(OSError("x"), 1, 0, Next.RETRY, 45.0, id="the system's errors may heal"),
        pytest.param(Conflict("x"), 1, 0, Next.RETRY, 45.0, id="a conflict may heal"),
        pytest.param(
            ProcessFailed(command="c", exit_code=1, output_end=""),
            1,
            0,
            Next.RETRY,
            45.0,
            id="a program that failed may heal",
        ),
        pytest.param(RateLimited("x", retry_after_s=200), 1, 0, Next.RETRY, 210.0, id="asked"),
        pytest.param(PermanentError("x"), 1, 0, Next.FAIL, 0.0, id="permanent"),
        pytest.param(InvalidInput("x"), 1, 0, Next.FAIL, 0.0, id="bad input"),
        pytest.param(LimitExceeded("x"), 1, 0, Next.FAIL, 0.0, id="a limit"),
        pytest.param(PermanentError("x"), 4, 0, Next.FAIL, 0.0, id="permanent in the last attempt"),
    ],
)
def test_verdict_follows_error_and_attempts(
    error: Exception, attempt: int, deliveries: int, want: Next, delay_s: float
) -> None:
    job = build.job(attempt=attempt, deliveries=deliveries, max_attempts=4)

    verdict = retry.after_error(error, job, policy=POLICY, rng=half)

    assert verdict == Verdict(
        next=want,
        error=JobError(
            type=type(error).__name__,
            message=str(error).strip(),
            retryable=not isinstance(error, PermanentError),
            attempt=attempt,
        ),
        delay_s=pytest.approx(delay_s),  # type: ignore[arg-type]  # compares as a float does
    )


@pytest.mark.parametrize(
    ("deliveries", "is_cancelled", "want", "error"),
    [
        pytest.param(0, "no", Next.RETRY, "WorkerLost", id="first loss"),
        pytest.param(3, "no", Next.RETRY, "WorkerLost", id="the last one before poison"),
        pytest.param(4, "no", Next.DEAD_LETTER, "PoisonedJob", id="poison"),
        pytest.param(0, "yes", Next.CANCEL, "WorkerLost", id="cancelled"),
        pytest.param(4, "yes", Next.CANCEL, "WorkerLost", id="cancelled beats poison"),
    ],
)
def test_verdict_on_a_lost_worker(
    deliveries: int, is_cancelled: str, want: Next, error: str
) -> None:
    job = build.job(deliveries=deliveries, cancel_requested=is_cancelled == "yes")

    verdict = retry.after_lost_lease(job, policy=POLICY)

    assert (verdict.next, verdict.error.type) == (want, error)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(ValueError(""), "ValueError", id="an error without words has its name"),
        pytest.param(ValueError(" x \n"), "x", id="no space around it"),
        pytest.param(ValueError("y" * 9000), "y" * 2000, id="not longer than a screen"),
    ],
)
def test_job_error_has_a_message_to_show(error: Exception, message: str) -> None:
    assert retry.job_error(error, attempt=1).message == message
