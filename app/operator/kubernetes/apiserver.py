"""Requests to the Kubernetes API: one session, fresh credentials, our own errors.

Only a refused login is retried here, once: the loop tries everything again at its next tick.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from enum import StrEnum
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from app.errors import ApiServerUnreachable, CeleriacError, InvalidInput
from app.operator.kubernetes import responses
from app.operator.kubernetes.credentials import REREAD_AFTER_S, Login
from app.operator.kubernetes.responses import OnWrite, WriteOutcome

logger = logging.getLogger(__name__)

Document = dict[str, Any]  # JSON as the API server sends it

REQUEST_TIMEOUT_S = 10.0
CONNECTIONS = 64
"""Requests at a time, at most; beyond that the API server applies its own fair limits."""
PAGE_ITEMS = 500

WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_TIMEOUT_S, sock_read=60.0)
"""A watch that is silent for longer than it was asked to last is a dead connection."""

METADATA_ONLY = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)
JSON = "application/json"


def object_path(api_version: str, plural: str, *, namespace: str | None, name: str = "") -> str:
    """The path of a list, or of one object; without a namespace, of the whole cluster.

    >>> object_path("apps/v1", "deployments", namespace="shop", name="worker")
    '/apis/apps/v1/namespaces/shop/deployments/worker'
    """
    where = "" if namespace is None else f"/namespaces/{segment(namespace)}"
    return f"{group_path(api_version)}{where}/{segment(plural)}" + (
        f"/{segment(name)}" if name else ""
    )


def group_path(api_version: str) -> str:
    """The path of an API group in one version. Raises InvalidInput.

    >>> group_path("apps/v1"), group_path("v1")
    ('/apis/apps/v1', '/api/v1')
    """
    parts = [segment(part) for part in api_version.split("/")]
    if len(parts) > 2:
        raise InvalidInput(f"{api_version!r} is not an API version such as apps/v1")
    return "/".join(("/apis" if len(parts) == 2 else "/api", *parts))


def segment(text: str) -> str:
    """One segment of a path, quoted. Raises InvalidInput for one that would change the path.

    >>> segment("orders"), segment("a/b")
    ('orders', 'a%2Fb')
    """
    if text in ("", ".", ".."):
        raise InvalidInput(f"{text!r} is not the name of an object")
    return quote(text, safe="")


class Patch(StrEnum):
    """What a PATCH body means (RFC 7386, RFC 6902, server-side apply)."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"


class ApiServer:
    """A client of one API server.

    Every method raises `NotFound`, `AccessDenied`, `Conflict`, `InvalidInput` (the API server
    rejects the object), `RateLimited` or `ApiServerUnreachable`.
    """

    def __init__(
        self,
        login: Login,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        on_write: OnWrite = lambda resource, outcome: None,
    ) -> None:
        self._login = login
        self._on_write = on_write
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.ClientSession] = []
        self._opened_at_s = 0.0
        self._opening = asyncio.Lock()
        self._unreachable_since_s: float | None = None
        self.namespace: str | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for session in (*self._retired, self._session):
            if session is not None:
                await session.close()

    async def get(
        self, path: str, *, params: Mapping[str, str] | None = None, accept: str = JSON
    ) -> Document:
        return await self._request("GET", path, params=params, headers={"Accept": accept})

    async def pages(
        self, path: str, *, params: Mapping[str, str] | None = None, accept: str = JSON
    ) -> AsyncIterator[Document]:
        """A list, page by page; each page is a list document."""
        query = {"limit": str(PAGE_ITEMS), **(params or {})}
        while True:
            page = await self.get(path, params=query, accept=accept)
            yield page
            token = page.get("metadata", {}).get("continue")
            if not token:
                return
            query["continue"] = token

    async def events(self, path: str, *, params: Mapping[str, str]) -> AsyncGenerator[Document]:
        """The events of a watch, until the server ends it or is silent for too long."""
        session = await self._open()
        what = f"WATCH {path}"
        try:
            async with session.get(
                path.lstrip("/"), params=params, timeout=WATCH_TIMEOUT, headers={"Accept": JSON}
            ) as response:
                if response.status == 401:
                    await self._renew(session)
                if response.status >= 400:
                    await _document(response, what=what)
                async for line in _lines(response.content):
                    yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError, ConnectionError, ValueError) as error:
            raise ApiServerUnreachable(f"{what}: {type(error).__name__} {error}") from error

    async def create(self, path: str, body: Document) -> Document:
        return await self._write("POST", path, body=body, headers={"Content-Type": JSON})

    async def patch(
        self,
        path: str,
        body: Document | list[Document],
        *,
        kind: Patch = Patch.MERGE,
        params: Mapping[str, str] | None = None,
    ) -> Document:
        return await self._write(
            "PATCH", path, body=body, params=params, headers={"Content-Type": kind.value}
        )

    async def _write(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Document | list[Document],
        params: Mapping[str, str] | None = None,
    ) -> Document:
        resource = responses.written_resource(path)
        try:
            answer = await self._request(method, path, headers=headers, body=body, params=params)
        except CeleriacError as error:
            self._on_write(resource, responses.outcome_of(error))
            raise
        self._on_write(resource, WriteOutcome.ACCEPTED)
        return answer

    async def _request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Document | list[Document] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Document:
        try:
            answer = await self._send(method, path, headers=headers, body=body, params=params)
        except CeleriacError as error:
            self._log_outage(error if isinstance(error, ApiServerUnreachable) else None)
            raise
        self._log_outage(None)
        return answer

    def _log_outage(self, error: ApiServerUnreachable | None) -> None:
        """Log the start and the end of an outage once, however many requests fail."""
        now_s = time.monotonic()
        if error is not None and self._unreachable_since_s is None:
            self._unreachable_since_s = now_s
            logger.warning("API server does not answer", extra={"error": str(error)})
        if error is None and self._unreachable_since_s is not None:
            lasted_s = round(now_s - self._unreachable_since_s, 1)
            self._unreachable_since_s = None
            logger.info("API server answers again", extra={"lasted_s": lasted_s})

    async def _send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Document | list[Document] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Document:
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        what = f"{method} {path}"
        for attempt in (1, 2):
            session = await self._open()
            try:
                async with session.request(
                    method,
                    path.lstrip("/"),
                    data=data,
                    params=params,
                    headers=headers,
                    timeout=self._timeout,
                ) as response:
                    if response.status == 401 and attempt == 1:
                        await self._renew(session)
                        continue
                    return await _document(response, what=what)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                raise ApiServerUnreachable(f"{what}: {type(error).__name__} {error}") from error
        raise ApiServerUnreachable(f"{what}: the credentials are refused")

    async def _open(self) -> aiohttp.ClientSession:
        session = self._session
        if session is not None and time.monotonic() - self._opened_at_s < REREAD_AFTER_S:
            return session
        return await self._renew(session)

    async def _renew(self, spent: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
        """Log in again, unless another request has already replaced `spent`."""
        async with self._opening:
            if self._session is not None and self._session is not spent:
                return self._session
            connection = await self._login.connection()
            self.namespace = connection.default_namespace
            self._session = aiohttp.ClientSession(
                f"{connection.server}/",
                connector=aiohttp.TCPConnector(ssl=connection.as_ssl_context(), limit=CONNECTIONS),
                headers=connection.as_http_headers() | {"User-Agent": "celeriac-operator"},
                proxy=connection.proxy_url,
            )
            self._opened_at_s = time.monotonic()
            for session in self._retired:
                await session.close()
            self._retired = [spent] if spent is not None else []
            return self._session


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length (aiohttp's own reader refuses those over 128 KiB)."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


async def _document(response: aiohttp.ClientResponse, *, what: str) -> Document:
    text = await response.text()
    try:
        document = json.loads(text) if text else {}
    except ValueError:
        document = {"message": text[:300]}
    if response.status < 400:
        return document if isinstance(document, dict) else {}
    raise responses.error_of(response, document, what=what)
