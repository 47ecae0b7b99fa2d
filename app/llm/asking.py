"""Requests to a model for an answer of a given form, which can be cancelled at any time."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Generic, Protocol, Self, TypeVar

from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ModelRetry, ModelSettings, RunContext, exceptions

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
from app.llm import models, spending
from app.llm.names import Choice, Provider
from app.llm.spending import Spent
from app.settings import LlmSettings

Output = TypeVar("Output", bound=BaseModel)
Outcome = TypeVar("Outcome")

POLL_S = 0.25
"""How often to check for a cancellation, which has to take effect within 2 s."""

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
"""The library's error, ours, and its message. The first matching row is used."""

_WORTH_A_RETRY = frozenset({408, 409, 425})

DETAIL_LENGTH = 300


class AskAgain(Exception):
    """An answer has the right form but is wrong. The message is for the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptImage:
    """An image in a question."""

    content: bytes
    media_type: str


class Check(Protocol[Output]):
    """Checks each answer: returns it, or raises AskAgain. The last one is not asked for again."""

    def __call__(self, answer: Output, *, is_last: bool) -> Output: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[Output]):
    """A question, with the form and the check of its answer."""

    instructions: str
    parts: Sequence[str | PromptImage]
    output: type[Output]
    check: "Check[Output]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[Output]):
    """The answer to a question."""

    output: Output
    spent: Spent


class Budget(Protocol):
    """The tokens that may still be used."""

    def check_tokens(self) -> None:
        """Raises LimitExceeded when there are none."""

    def add_tokens(self, count: int) -> None: ...


class Asker:
    """Asks one model. A context manager, not safe for several threads at once.

    `on_wait` is called several times a second during a request, in the calling thread. An exception
    from it, such as Cancelled, aborts the request.
    """

    def __init__(
        self,
        choice: Choice,
        settings: LlmSettings,
        *,
        proxy_url: str | None,
        on_wait: Callable[[], None],
        budget: Budget,
    ) -> None:
        self._choice = choice
        self._settings = settings
        self._on_wait = on_wait
        self._budget = budget
        self._secret = models.key_of(choice, settings)
        self._client = models.client_of(settings, proxy_url=proxy_url)
        self._model = models.build_model(choice, settings, self._client)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._runner.run(self._client.aclose())
        finally:
            self._runner.close()

    def ask(self, question: Question[Output]) -> Answer[Output]:
        """Ask, and ask again a few times while the answer fails its check.

        Raises ModelRefused, UnusableAnswer, LimitExceeded, KeyRefused, NotFound, PermanentError,
        RateLimited, RetryableError, and what `on_wait` raises.
        """
        self._budget.check_tokens()
        with _limited(self._choice.provider, self._settings.concurrency, self._on_wait):
            try:
                answer = self._runner.run(self._attended(self._asked(question)))
            except Exception as error:
                ours = error_of(error, choice=self._choice, secret=self._secret)
                if ours is None:
                    raise
                raise ours from error
        self._budget.add_tokens(answer.spent.input_tokens + answer.spent.output_tokens)
        return answer

    async def _asked(self, question: Question[Output]) -> Answer[Output]:
        agent = Agent(
            self._model,
            output_type=question.output,
            instructions=question.instructions,
            retries={"output": self._settings.reasks},
            model_settings=ModelSettings(
                max_tokens=self._settings.output_tokens,
                timeout=self._settings.timeout_s,
                framing_announcement="when_needed",  # 185 words to Claude Sonnet 4.6 otherwise
                max_retries=0,  # the platform retries, and frees the slot meanwhile
            ),
        )

        @agent.output_validator
        def check(context: RunContext[object], answer: Output) -> Output:
            try:
                return question.check(answer, is_last=context.last_attempt)
            except AskAgain as error:
                raise ModelRetry(str(error)) from error

        result = await agent.run([_part(part) for part in question.parts])
        spent = spending.of_messages(result.all_messages(), self._choice.provider)
        return Answer(output=result.output, spent=spent)

    async def _attended(self, call: Coroutine[object, object, Outcome]) -> Outcome:
        task = asyncio.create_task(call)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=POLL_S)
                self._on_wait()
        except BaseException:
            task.cancel()
            await asyncio.wait({task}, timeout=POLL_S)
            raise
        return task.result()


def _part(part: str | PromptImage) -> str | BinaryContent:
    if isinstance(part, str):
        return part
    return BinaryContent(data=part.content, media_type=part.media_type)


@cache
def _limiter(provider: Provider, concurrency: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(concurrency)


@contextmanager
def _limited(provider: Provider, concurrency: int, on_wait: Callable[[], None]) -> Iterator[None]:
    """Limit the threads of this process that ask the provider to `concurrency`."""
    limiter = _limiter(provider, concurrency)
    while not limiter.acquire(timeout=POLL_S):
        on_wait()
    try:
        yield
    finally:
        limiter.release()


def error_of(error: Exception, *, choice: Choice, secret: str) -> CeleriacError | None:
    """Our error for one of the library; `None` for other errors. The key is masked."""
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
    """The provider's message, without our request."""
    body = getattr(error, "body", None)
    message = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(message, dict):
        message = message.get("message")
    if isinstance(message, str) and message.strip():
        return " ".join(message.split())
    if isinstance(error, exceptions.ModelHTTPError):
        return f"status {error.status_code}"
    return " ".join(str(getattr(error, "message", error)).split())
