"""The client of the HTTP API: JSON in and out, and readable errors."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from app.cli import running
from app.errors import CeleriacError
from app.telemetry import masking

if TYPE_CHECKING:
    import httpx2

Json = Any  # a JSON value: the type system has no better word for it

TIMEOUT_S = 30.0

PREFIX = "/api/v1"

API_KEY = "CELERIAC_API_KEY"
"""The environment variable with the key that the commands send."""


class ApiUnreachable(CeleriacError):
    """The API does not answer."""

    def __init__(self, *, url: str, reason: str) -> None:
        super().__init__(
            f"no answer from {masking.masked(url)} ({reason}); start one with 'celeriac up', "
            "or set another one with --api-url or CELERIAC_URL"
        )


class NotAUrl(CeleriacError):
    """The address of the API is not a URL."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{masking.masked(url)} is not a URL such as http://127.0.0.1:8000")


class ApiRefused(CeleriacError):
    """The API returns an error. The message is `title: detail`, with a line for each invalid
    field."""

    def __init__(self, problem: Mapping[str, Json]) -> None:
        lines = [f"{problem.get('title', 'request refused')}: {problem.get('detail', '')}"]
        errors = problem.get("errors", [])
        if len(errors) > 1:
            lines += [f"  {error.get('pointer')}: {error.get('detail')}" for error in errors]
        if problem.get("status", 0) >= 500 and problem.get("request_id"):
            lines.append(f"  request id: {problem['request_id']}")
        super().__init__("\n".join(lines))
        self.status = int(problem.get("status", 0))


@dataclass(frozen=True, slots=True)
class ApiClient:
    """Calls of one API. Every method raises ApiUnreachable and ApiRefused."""

    http: "httpx2.Client"

    @property
    def url(self) -> str:
        return str(self.http.base_url).removesuffix("/").removesuffix(PREFIX)

    def get(self, path: str, *, params: Mapping[str, Json] | None = None) -> Json:
        return self._json("GET", path, params=params)

    def post(
        self, path: str, *, body: Json = None, headers: Mapping[str, str] | None = None
    ) -> Json:
        return self._json("POST", path, json=body, headers=headers)

    def put(self, path: str, *, body: Json) -> Json:
        return self._json("PUT", path, json=body)

    def delete(self, path: str) -> Json:
        return self._json("DELETE", path)

    def upload(self, path: str, file: Path) -> Json:
        """Stream a file from the disk. Raises CeleriacError if it cannot be read."""
        try:
            with file.open("rb") as content:
                return self._json("POST", path, files={"file": (file.name, content)}, timeout=None)
        except OSError as error:
            raise CeleriacError(f"cannot read {file}: {error.strerror}") from error

    def pages(self, path: str, *, params: Mapping[str, Json], limit: int) -> Iterator[Json]:
        """At most `limit` items of a listing, requested page by page."""
        left, cursor = limit, None
        while left > 0:
            page = self.get(path, params={**params, "limit": min(left, 100), "cursor": cursor})
            yield from page["items"][:left]
            left -= len(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def lines(self, path: str, *, params: Mapping[str, Json]) -> Iterator[str]:
        """The lines of a response, as they arrive."""
        with (
            self.translated_errors(),
            self.http.stream("GET", path, params=params, timeout=None) as answer,
        ):
            check(answer)
            yield from answer.iter_lines()

    def _json(self, method: str, path: str, **request: Any) -> Json:  # Any: httpx2's arguments
        params = request.pop("params", None) or {}
        given = {name: value for name, value in params.items() if value is not None}
        with self.translated_errors():
            answer = self.http.request(method, path, params=given, **request)
        check(answer)
        return answer.json() if answer.content else None

    @contextlib.contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Translate the errors of the HTTP library."""
        import httpx2

        try:
            yield
        except httpx2.InvalidURL:
            raise NotAUrl(self.url) from None
        except httpx2.HTTPError as error:
            raise ApiUnreachable(url=self.url, reason=_reason(error)) from error


def _reason(error: Exception) -> str:
    text = re.sub(r"^\[Errno -?\d+\] ", "", str(error))
    return text.lower() or type(error).__name__


def check(answer: "httpx2.Response") -> None:
    """Raise ApiRefused unless the response is a success. Reads the body of a streamed error."""
    if answer.is_success:
        return
    answer.read()
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "title" not in problem:
        url = masking.masked(str(answer.request.url))
        detail = f"{answer.request.method} {url} returned {answer.status_code}"
        problem = {"title": answer.reason_phrase or "request refused", "detail": detail}
    raise ApiRefused({"status": answer.status_code, **problem})


def _authorization() -> dict[str, str]:
    key = os.environ.get(API_KEY, "").strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise CeleriacError(f"{API_KEY} holds characters that no API key has")
    return {"Authorization": f"Bearer {key}"} if key else {}


@contextlib.contextmanager
def connected(context: typer.Context, *, folder: Path | None = None) -> Iterator[ApiClient]:
    """A client of the API of `--api-url` or CELERIAC_URL; by default, of the `celeriac up` in this
    folder."""
    import httpx2  # takes a quarter of a second, which `--help` does not need

    url = running.api_url(context, folder)
    base = url.rstrip("/") + PREFIX
    is_plain = base.startswith("http://")
    try:
        # Plain HTTP does not need the certificates, which take a tenth of a second to load.
        http = httpx2.Client(
            base_url=base, timeout=TIMEOUT_S, verify=not is_plain, headers=_authorization()
        )
    except httpx2.InvalidURL:
        raise NotAUrl(url) from None
    with http:
        yield ApiClient(http)
