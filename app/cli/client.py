"""The HTTP API as the commands see it: JSON in and out, and failures that a person can read."""

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


class ApiAway(CeleriacError):
    """The API gives no answer."""

    def __init__(self, *, url: str, reason: str) -> None:
        super().__init__(
            f"no answer from {masking.masked(url)} ({reason}); start one with 'celeriac up', "
            "or name another with --api-url or CELERIAC_URL"
        )


class NotAUrl(CeleriacError):
    """What names the API is no URL."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{masking.masked(url)} is not a URL such as http://127.0.0.1:8000")


class ApiRefused(CeleriacError):
    """The API answers with a problem. The message is `title: detail`, a line more for each field
    that is wrong."""

    def __init__(self, problem: Mapping[str, Json]) -> None:
        lines = [f"{problem.get('title', 'the API refuses')}: {problem.get('detail', '')}"]
        errors = problem.get("errors", [])
        if len(errors) > 1:
            lines += [f"  {error.get('pointer')}: {error.get('detail')}" for error in errors]
        if problem.get("status", 0) >= 500 and problem.get("request_id"):
            lines.append(f"  request id: {problem['request_id']}")
        super().__init__("\n".join(lines))
        self.status = int(problem.get("status", 0))


@dataclass(frozen=True, slots=True)
class ApiClient:
    """Calls of one API. Every method raises ApiAway and ApiRefused."""

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

    def upload(self, path: str, file: Path) -> Json:
        """Send a file as it is read from the disk. Raises CeleriacError when it can not be read."""
        try:
            with file.open("rb") as content:
                return self._json("POST", path, files={"file": (file.name, content)}, timeout=None)
        except OSError as error:
            raise CeleriacError(f"can not read {file}: {error.strerror}") from error

    def pages(self, path: str, *, params: Mapping[str, Json], limit: int) -> Iterator[Json]:
        """The items of a listing, page by page, `limit` at most."""
        left, cursor = limit, None
        while left > 0:
            page = self.get(path, params={**params, "limit": min(left, 100), "cursor": cursor})
            yield from page["items"][:left]
            left -= len(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _json(self, method: str, path: str, **request: Any) -> Json:  # Any: httpx2's arguments
        params = request.pop("params", None) or {}
        given = {name: value for name, value in params.items() if value is not None}
        with self.translated_errors():
            answer = self.http.request(method, path, params=given, **request)
        check(answer)
        return answer.json() if answer.content else None

    @contextlib.contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Where the errors of the HTTP library end."""
        import httpx2

        try:
            yield
        except httpx2.InvalidURL:
            raise NotAUrl(self.url) from None
        except httpx2.HTTPError as error:
            raise ApiAway(url=self.url, reason=_reason(error)) from error


def _reason(error: Exception) -> str:
    told = re.sub(r"^\[Errno -?\d+\] ", "", str(error))
    return told.lower() or type(error).__name__


def check(answer: "httpx2.Response") -> None:
    """Raise ApiRefused unless the answer is a success. Reads the body of a streamed refusal."""
    if answer.is_success:
        return
    answer.read()
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "title" not in problem:
        place = masking.masked(str(answer.request.url))
        detail = f"{answer.request.method} {place} answers {answer.status_code}"
        problem = {"title": answer.reason_phrase or "refused", "detail": detail}
    raise ApiRefused({"status": answer.status_code, **problem})


def _authorization() -> dict[str, str]:
    key = os.environ.get(API_KEY, "").strip()
    return {"Authorization": f"Bearer {key}"} if key else {}


@contextlib.contextmanager
def connected(context: typer.Context, *, folder: Path | None = None) -> Iterator[ApiClient]:
    """The API that `--api-url` or CELERIAC_URL names, else that of the `celeriac up` that runs in
    this folder."""
    import httpx2  # a quarter of a second that `--help` need not wait for

    url = running.api_url(context, folder)
    base = url.rstrip("/") + PREFIX
    is_plain = base.startswith("http://")
    try:
        # Reading the machine's certificates takes a tenth of a second: not for plain HTTP.
        http = httpx2.Client(
            base_url=base, timeout=TIMEOUT_S, verify=not is_plain, headers=_authorization()
        )
    except httpx2.InvalidURL:
        raise NotAUrl(url) from None
    with http:
        yield ApiClient(http)
