"""500 open event streams and 200 requests a second at once, with API keys; and what a key costs."""

import asyncio
import os
import statistics
import time
import timeit
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx2

from app.access import tokens
from app.access.authenticator import Authenticator
from app.access.keys import ApiKey
from app.access.principal import AccessScope
from benchmarks.rig import servers

STREAMS = 500
REQUESTS_PER_S = 200
DURATION_S = 15
ADMIN_KEY = "an-admin-key-of-this-benchmark-0123456789"
HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}"}


def main() -> None:
    os.environ |= {"CELERIAC_GUARD_LOOPBACK": "true", "CELERIAC_ADMIN_KEY": ADMIN_KEY}
    with servers.platform() as platform:
        asyncio.run(_load(platform.url))
    print(f"a key check: {_key_check_us():.1f} us")


async def _load(url: str) -> None:
    async with httpx2.AsyncClient(base_url=url, timeout=30) as admin:
        created = await admin.post(
            "/api/v1/keys", json={"name": "load", "scope": "submit"}, headers=HEADERS
        )
        headers = {"Authorization": f"Bearer {created.json()['key']}"}
        jobs = [
            {"kind": "noop", "params": {"number": number}, "not_before": "2099-01-01T00:00:00Z"}
            for number in range(STREAMS)
        ]
        accepted = await admin.post("/api/v1/jobs:batch", json={"jobs": jobs}, headers=headers)
        ids = [job["id"] for job in accepted.json()["items"]]
    opened = await asyncio.gather(*(_open_stream(url, job_id, headers) for job_id in ids))
    print(f"{len(opened)} streams are open")
    statuses, times_ms = await _requests(url, ids, headers)
    kept = sum(not reader.at_eof() and reader.exception() is None for reader, _ in opened)
    for _, writer in opened:
        writer.close()
    p50, p95 = (statistics.quantiles(times_ms, n=100)[at - 1] for at in (50, 95))
    print(f"{len(times_ms)} requests in {DURATION_S} s: {dict(statuses)}, {kept} streams kept")
    print(f"latency: p50 {p50:.0f} ms, p95 {p95:.0f} ms, longest {max(times_ms):.0f} ms")


async def _open_stream(
    url: str, job_id: str, headers: dict[str, str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream whose first bytes have arrived. Raises RuntimeError for another answer."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    lines = [f"GET /api/v1/jobs/{job_id}/events HTTP/1.1", f"Host: {at.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"no stream: {status!r}")
    await reader.readuntil(b"retry: ")
    return reader, writer


async def _requests(
    url: str, ids: list[str], headers: dict[str, str]
) -> tuple[Counter[str], list[float]]:
    """Requests at a fixed rate: the next one does not wait for the one before."""
    statuses: Counter[str] = Counter()
    times_ms: list[float] = []
    limits = httpx2.Limits(max_connections=50, max_keepalive_connections=50)
    async with httpx2.AsyncClient(base_url=url, timeout=30, limits=limits, headers=headers) as api:

        async def ask(number: int) -> None:
            begun_at_s = time.perf_counter()
            try:
                answer = await api.get(f"/api/v1/jobs/{ids[number % len(ids)]}")
                statuses[str(answer.status_code)] += 1
            except httpx2.HTTPError as error:
                statuses[type(error).__name__] += 1
            times_ms.append((time.perf_counter() - begun_at_s) * 1000)

        begun_at_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(REQUESTS_PER_S * DURATION_S):
                due_at_s = begun_at_s + number / REQUESTS_PER_S
                await asyncio.sleep(max(0.0, due_at_s - time.perf_counter()))
                group.create_task(ask(number))
    return statuses, times_ms


class _OneKey:
    """A store with one key."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def find(self, _key_id: str) -> ApiKey | None:
        return self._key

    def note_use(self, key_ids: list[str], *, now: datetime) -> None:
        """Nothing is kept."""


def _key_check_us() -> float:
    """Microseconds to check a key that was used a moment ago."""
    token, now = tokens.generate(), datetime.now(UTC)
    key = ApiKey(
        id=token.key_id,
        name="load",
        owner="load",
        scope=AccessScope.SUBMIT,
        digest=token.digest,
        created_at=now,
        expires_at=None,
        revoked_at=None,
        last_used_at=None,
    )
    authenticator = Authenticator(_OneKey(key), clock=lambda: now)
    text = str(token)
    authenticator.authenticate(text)
    count = 10_000
    return timeit.timeit(lambda: authenticator.cached(text), number=count) / count * 1_000_000
