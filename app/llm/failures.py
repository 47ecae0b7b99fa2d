"""Which of our errors a failure of a model is: one table for every provider."""

from pydantic_ai import exceptions

from app.errors import (
    CeleriacError,
    InvalidInput,
    KeyRefused,
    LimitExceeded,
    ModelRefused,
    NotFound,
    PermanentError,
    RateLimited,
    RetryableError,
    UnusableAnswer,
)
from app.llm.names import Choice

TABLE: tuple[tuple[type[Exception], type[CeleriacError], str], ...] = (
    (exceptions.ModelRateLimitError, RateLimited, "asks for a pause"),
    (exceptions.ModelQuotaExceededError, PermanentError, "the account's credit is used up"),
    (exceptions.ModelUnavailableError, RetryableError, "is overloaded or not available"),
    (exceptions.ModelServerError, RetryableError, "failed"),
    (exceptions.ModelConnectionError, RetryableError, "the connection failed or was silent"),
    (exceptions.ModelRequestTimeout, RetryableError, "took too long"),
    (exceptions.ModelContextWindowExceededError, LimitExceeded, "the text is too long for it"),
    (exceptions.ModelAuthenticationError, KeyRefused, "refuses the API key"),
    (exceptions.ModelNotFoundError, NotFound, "there is no such model"),
    (exceptions.ModelRequestRejectedError, PermanentError, "refuses the request"),
    (exceptions.ModelHTTPError, PermanentError, "refuses the request"),
    (exceptions.ModelAPIError, RetryableError, "its answer cannot be read"),
    (exceptions.ContentFilterError, ModelRefused, "declines to answer"),
    (exceptions.OutputTokenLimitExceeded, LimitExceeded, "the answer is too long for its limit"),
    (exceptions.UnexpectedModelBehavior, UnusableAnswer, "gives no answer of the form asked for"),
    (exceptions.UserError, InvalidInput, "cannot be asked this"),
)
"""The library's error, ours, and the words for it. The first row that fits wins."""

_WORTH_A_RETRY = frozenset({408, 409, 425})

DETAIL_LENGTH = 300


def of_error(error: Exception, *, choice: Choice, secret: str) -> CeleriacError | None:
    """Our error for one of the library, or None when it is not one. The key is masked."""
    row = next((row for row in TABLE if isinstance(error, row[0])), None)
    if row is None:
        return None
    _, ours, words = row
    detail = _detail(error)
    if secret:
        detail = detail.replace(secret, "***")
    message = f"{choice}: {words}" + (f" ({detail[:DETAIL_LENGTH]})" if detail else "")
    if isinstance(error, exceptions.ModelHTTPError) and error.status_code in _WORTH_A_RETRY:
        ours = RetryableError
    if not issubclass(ours, RetryableError):
        return ours(message)
    pause_s = error.retry_after if isinstance(error, exceptions.ModelAPIError) else None
    if issubclass(ours, RateLimited) or pause_s is not None:
        return RateLimited(message, retry_after_s=pause_s)
    return ours(message)


def _detail(error: Exception) -> str:
    """What the provider says, without what we sent it."""
    body = getattr(error, "body", None)
    told = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(told, dict):
        told = told.get("message")
    if isinstance(told, str) and told.strip():
        return " ".join(told.split())
    if isinstance(error, exceptions.ModelHTTPError):
        return f"status {error.status_code}"
    return " ".join(str(getattr(error, "message", error)).split())
