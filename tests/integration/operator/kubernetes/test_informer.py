"""An informer keeps a true copy of a list, whatever happens to connection and API server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from app.operator.kubernetes import informer
from app.operator.kubernetes.apiserver import Document
from app.operator.kubernetes.informer import Collection, Informer, Store
from app.operator.resources.pool_cache import PoolCache
from tests import waiting
from tests.integration.operator.serving import serving

DEADLINE_S = 10


class Names:
    """A store that keeps the name of each object."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self._changed = asyncio.Event()

    def put(self, uid: str, document: Document) -> None:
        self.names[uid] = document["metadata"]["name"]
        self._changed.set()

    def remove(self, uid: str) -> None:
        self.names.pop(uid, None)
        self._changed.set()

    async def become(self, want: set[str]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while set(self.names.values()) != want:
                self._changed.clear()
                await self._changed.wait()


class Pods:
    """A list of pods that can be changed, and watched until the connection is cut."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.status = 200
        self.lists = self.watches = 0
        self._watchers: list[asyncio.Queue[Document | None]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.status != 200:
            return web.json_response({"message": "no"}, status=self.status)
        if "watch" in request.query:
            return await self._stream(request)
        self.lists += 1
        items = [self._object(name) for name in sorted(self.names)]
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    def change(self, kind: str, name: str) -> None:
        self._send({"type": kind, "object": self._object(name)})

    def expire(self) -> None:
        self._send({"type": "ERROR", "object": {"code": 410}})

    def cut(self) -> None:
        self._send(None)

    @staticmethod
    def _object(name: str) -> Document:
        return {"metadata": {"uid": f"uid-{name}", "name": name, "resourceVersion": "2"}}

    def _send(self, event: Document | None) -> None:
        for watcher in self._watchers:
            watcher.put_nowait(event)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        events: asyncio.Queue[Document | None] = asyncio.Queue()
        response = web.StreamResponse()
        await response.prepare(request)
        self._watchers.append(events)
        self.watches += 1
        while (event := await events.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        self._watchers.remove(events)
        return response

    async def watched(self) -> None:
        await waiting.eventually_async(lambda: self._watchers)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETRY_S", "DENIED_RETRY_S", "PAUSE_S"):
        monkeypatch.setattr(informer, name, 0.01)


@asynccontextmanager
async def following(
    pods: Pods, account: Path, *, is_optional: bool = False, store: Store | None = None
) -> AsyncIterator[tuple[Informer, Names]]:
    names = Names()
    collection = Collection(name="pods", path="/api/v1/pods", is_optional=is_optional)
    async with serving(pods.handle, account) as server:
        followed = Informer(
            server, collection, store or names, clock=asyncio.get_running_loop().time
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(followed.run())
            yield followed, names
            running.cancel()
            pods.cut()


def test_a_copy_follows_every_change(account: Path) -> None:
    async def scenario() -> None:
        pods = Pods("a")
        async with following(pods, account) as (followed, names):
            await followed.listed()
            await pods.watched()
            pods.change("ADDED", "b")
            await names.become({"a", "b"})
            pods.change("DELETED", "a")
            await names.become({"b"})

    asyncio.run(scenario())


def test_an_ended_watch_goes_on_without_a_new_list(account: Path) -> None:
    async def scenario() -> int:
        pods = Pods("a")
        async with following(pods, account) as (_, names):
            await pods.watched()
            pods.cut()
            await waiting.eventually_async(lambda: pods.watches == 2)
            pods.change("ADDED", "b")
            await names.become({"a", "b"})
        return pods.lists

    assert asyncio.run(scenario()) == 1


def test_what_was_deleted_unseen_is_forgotten(account: Path) -> None:
    async def scenario() -> None:
        pods = Pods("a", "b")
        async with following(pods, account) as (_, names):
            await pods.watched()
            pods.names = {"b", "c"}
            pods.expire()
            await names.become({"b", "c"})

    asyncio.run(scenario())


class Pools(Pods):
    """The same for WorkerPools."""

    @staticmethod
    def _object(name: str) -> Document:
        meta = {"namespace": "shop", "creationTimestamp": "2026-03-01T12:00:00Z"}
        spec = {"scaleTargetRef": {"name": "x"}, "queues": ["q"]}
        return {"metadata": Pods._object(name)["metadata"] | meta, "spec": spec}


def test_a_pool_that_was_deleted_unseen_is_no_longer_scaled(account: Path) -> None:
    async def scenario() -> None:
        served, cache = Pools("mail", "other"), PoolCache()
        async with following(served, account, store=cache) as (followed, _):
            await followed.listed()
            await served.watched()
            served.names = {"other"}
            served.expire()
            await waiting.eventually_async(lambda: len(cache.current()) == 1)
            assert [pool.key.name for pool in cache.current()] == ["other"]

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_refusing_server_is_waited_for(account: Path, status: int) -> None:
    async def scenario() -> tuple[bool, bool]:
        pods = Pods("a")
        async with following(pods, account) as (followed, names):
            await pods.watched()
            pods.status = status
            pods.expire()
            await waiting.eventually_async(lambda: followed.lost_for_s is not None)
            was_lost = bool(names.names)
            pods.status = 200
            pods.names = {"b"}
            await names.become({"b"})
            return was_lost, followed.lost_for_s is None

    assert asyncio.run(scenario()) == (True, True)


def test_what_need_not_be_watched_holds_nobody_up(account: Path) -> None:
    async def scenario() -> float | None:
        pods = Pods("a")
        pods.status = 403
        async with following(pods, account, is_optional=True) as (followed, _):
            async with asyncio.timeout(DEADLINE_S):
                await followed.listed()
            return followed.lost_for_s

    assert asyncio.run(scenario()) is None
