"""Every error of the library is one of ours."""

import inspect

import pytest
from pydantic_ai import exceptions

from app.errors import RateLimited, RetryableError
from app.llm import asking, names

CHOICE = names.parse_model("claude-sonnet-4")

NOT_OF_A_REQUEST = frozenset(
    {
        "AgentRunError",  # the root
        "ApprovalRequired",
        "CallDeferred",
        "ConcurrencyLimitExceeded",
        "ModelRetry",
        "RetryModelRequest",
        "RunCancelled",
        "RunTimedOut",
        "SkipModelRequest",
        "SkipToolExecution",
        "SkipToolValidation",
        "SuspendedResponseExpired",
        "ToolFailed",
        "ToolFailedError",
        "ToolRetryError",
        "UsageLimitExceeded",
        "FallbackExceptionGroup",
    }
)
"""What asking one model without tools, limits and fallbacks does not raise."""


def test_every_error_of_a_request_is_mapped() -> None:
    rows = tuple(row[0] for row in asking.TABLE)
    unmapped = {
        name
        for name, kind in inspect.getmembers(exceptions, inspect.isclass)
        if issubclass(kind, Exception)
        and not issubclass(kind, Warning)
        and kind.__module__ == exceptions.__name__
        and not issubclass(kind, rows)
    }
    assert unmapped == NOT_OF_A_REQUEST


@pytest.mark.parametrize(
    ("status", "want"),
    [
        pytest.param(408, RetryableError, id="the server waited too long"),
        pytest.param(409, RetryableError, id="a conflict"),
        pytest.param(425, RetryableError, id="too early"),
    ],
)
def test_some_statuses_are_worth_a_retry(status: int, want: type[Exception]) -> None:
    error = exceptions.ModelHTTPError(status, "m")
    assert type(asking.error_of(error, choice=CHOICE, secret="")) is want


def test_an_overloaded_provider_may_ask_for_a_pause() -> None:
    headers = {"retry-after": "12"}
    error = exceptions.ModelHTTPError.for_category(
        exceptions.ModelOverloadedError, status_code=529, model_name="m", headers=headers
    )
    ours = asking.error_of(error, choice=CHOICE, secret="")
    assert isinstance(ours, RateLimited)
    assert ours.retry_after_s == 12


def test_other_errors_are_not_ours_to_tell() -> None:
    assert asking.error_of(KeyError("x"), choice=CHOICE, secret="") is None
