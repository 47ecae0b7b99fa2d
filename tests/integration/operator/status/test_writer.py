"""Statuses and Events are written in the background and in order; the loop never waits."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.control.pool.status import (
    Condition,
    ConditionStatus,
    ConditionType,
    EventType,
    PoolEvent,
    PoolState,
    PoolStatus,
)
from app.control.pool.worker_pool import UnreadablePool, WorkerPool
from app.operator.resources import well_known
from app.operator.resources.pool_cache import PoolCache
from app.operator.status import writer
from app.operator.status.pool_status import WorkerPoolStatus
from app.operator.status.writer import KubernetesReports
from tests import waiting
from tests.integration.operator.objects import Objects
from tests.integration.operator.serving import serving

PATH = "/apis/celeriac.dev/v1alpha1/namespaces/shop/workerpools"
MAIL = f"{PATH}/mail/status"


def manifest(name: str = "mail", *, status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": f"uid-{name}",
            "generation": 2,
            "creationTimestamp": "2026-03-01T12:00:00Z",
        },
        "spec": {"scaleTargetRef": {"name": "x"}, "queues": ["q"]},
        "status": status or {},
    }


def status(*, replicas: int = 1, at_s: float = 0) -> PoolStatus:
    ready = Condition(
        type=ConditionType.READY,
        status=ConditionStatus.TRUE,
        reason="Reconciled",
        message="",
        last_transition_at_s=at_s,
    )
    return PoolStatus(
        observed_generation=2,
        state=PoolState.FOLLOWING,
        pool_queues=("documents",),
        min_replicas=0,
        max_replicas=10,
        mode="Auto",
        replicas=replicas,
        ready_replicas=None,
        desired_replicas=None,
        draining_replicas=0,
        selector="",
        last_scale_at_s=None,
        queues=(),
        backlog=None,
        held=None,
        active_tasks=None,
        arrival_rate=None,
        mean_runtime_s=None,
        queue_wait_s=None,
        slots_per_replica=None,
        explanation=(),
        conditions=(ready,),
    )


class Scene:
    """Reports over pools that are in the cache."""

    def __init__(self, objects: Objects, server: Any, bodies: list[dict[str, Any]]) -> None:
        self.objects = objects
        self.pools = PoolCache()
        for body in bodies:
            self.observe(body)
        self.reports = KubernetesReports(server, self.pools, instance="operator-1")

    def observe(self, body: dict[str, Any]) -> None:
        """Put a pool into the cache, as its informer does."""
        self.pools.put(body["metadata"]["uid"], body)

    def pool(self, name: str = "mail") -> WorkerPool | UnreadablePool:
        return next(pool for pool in self.pools.current() if pool.key.name == name)

    @property
    def replicas(self) -> list[int]:
        return [
            body["status"]["replicas"] for path, body in self.objects.written if "/mail" in path
        ]

    async def flushed(self) -> None:
        assert await self.reports.flushed(within_s=5)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("RETRY_S", "DENIED_RETRY_S", "RESTORE_S"):
        monkeypatch.setattr(writer, pause, 0.01)


def play(account: Path, act: Callable[[Scene], Awaitable[None]], *bodies: dict[str, Any]) -> None:
    async def run() -> None:
        objects = Objects()
        async with serving(objects.handle, account) as server:
            scene = Scene(objects, server, list(bodies) or [manifest()])
            running = asyncio.create_task(scene.reports.run())
            try:
                await act(scene)
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running

    asyncio.run(run())


def test_an_unchanged_status_is_not_written_again(account: Path) -> None:
    async def act(scene: Scene) -> None:
        for _ in range(3):
            await scene.reports.write_status(scene.pool(), status())
            await scene.flushed()
        assert [path for path, _ in scene.objects.written] == [MAIL]

    play(account, act)


def test_a_status_that_an_earlier_process_wrote_is_continued(account: Path) -> None:
    earlier = WorkerPoolStatus.of(status(at_s=1000)).merge_patch()["status"]

    async def act(scene: Scene) -> None:
        await scene.reports.write_status(scene.pool(), status(at_s=2000))
        await scene.flushed()
        assert scene.objects.written == []
        await scene.reports.write_status(scene.pool(), status(replicas=2, at_s=2000))
        await scene.flushed()
        [(_, body)] = scene.objects.written
        assert body["status"]["conditions"][0]["lastTransitionTime"] == "1970-01-01T00:16:40Z"

    play(account, act, manifest(status=earlier))


def test_a_status_that_another_client_wrote_over_ours_is_written_again(account: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.reports.write_status(scene.pool(), status(replicas=3))
        await scene.flushed()
        own = scene.objects.written[0][1]["status"]
        scene.observe(manifest(status=own))
        scene.observe(manifest(status=own | {"replicas": 9}))
        await waiting.eventually_async(lambda: scene.replicas == [3, 3])
        scene.observe(manifest(status=own))
        await scene.reports.write_status(scene.pool(), status(replicas=3))
        await scene.flushed()
        assert scene.replicas == [3, 3]

    play(account, act)


def test_a_status_of_another_leader_is_left_alone(account: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.reports.write_status(scene.pool(), status(replicas=3))
        await scene.flushed()
        own = scene.objects.written[0][1]["status"]
        scene.reports.stand_down()
        scene.observe(manifest(status=own | {"replicas": 9}))
        await scene.reports.write_status(scene.pool(), status(replicas=4))
        await scene.flushed()
        assert scene.replicas == [3, 4]

    play(account, act)


def test_a_role_without_status_is_told_and_written_when_it_is_given_back(
    account: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def act(scene: Scene) -> None:
        scene.objects.failing = {"PATCH": 403}
        await scene.reports.write_status(scene.pool(), status())
        await waiting.eventually_async(lambda: scene.objects.asked.count(("PATCH", MAIL)) > 2)
        assert "may not write status" in scene.reports.denial
        scene.objects.failing = {}
        await scene.flushed()
        assert (scene.reports.denial, scene.replicas) == ("", [1])

    play(account, act)
    logged = [record.message for record in caplog.records if "aiohttp" not in record.name]
    assert logged == ["write failed", "writes are accepted again"]


def test_only_the_latest_of_many_waits_and_it_is_written_last(account: Path) -> None:
    async def act(scene: Scene) -> None:
        for replicas in range(1, 50):
            await scene.reports.write_status(scene.pool(), status(replicas=replicas))
        await scene.flushed()
        assert scene.replicas[-1] == 49
        assert scene.replicas == sorted(scene.replicas)

    play(account, act)


def test_a_status_waits_for_an_absent_api_server(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.failing = {"PATCH": 503}
        await scene.reports.write_status(scene.pool(), status(replicas=1))
        await waiting.eventually_async(lambda: scene.objects.asked.count(("PATCH", MAIL)) > 2)
        await scene.reports.write_status(scene.pool(), status(replicas=2))
        scene.objects.failing = {}
        await scene.flushed()
        assert scene.replicas[-1] == 2

    play(account, act)


def test_a_refused_status_is_given_up(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.failing = {"PATCH": 422}
        await scene.reports.write_status(scene.pool(), status())
        await scene.flushed()
        assert scene.objects.asked == [("PATCH", MAIL)]

    play(account, act)


def test_a_pool_whose_status_has_no_place_is_gone(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.failing = {"PATCH": 404}
        await scene.reports.write_status(scene.pool(), status())
        await scene.flushed()
        assert [pool.key.name for pool in scene.pools.current()] == ["other"]

    play(account, act, manifest(), manifest("other"))


def test_an_event_speaks_of_its_pool(account: Path) -> None:
    event = PoolEvent(type=EventType.NORMAL, reason="Scaled", message="x" * 2000, at_s=1.5)

    async def act(scene: Scene) -> None:
        await scene.reports.write_event(scene.pool(), event)
        await scene.flushed()
        [(path, body)] = scene.objects.written
        assert path == "/api/v1/namespaces/shop/events"
        assert body.pop("metadata")["name"].startswith("mail.")
        assert body == {
            "apiVersion": "v1",
            "kind": "Event",
            "eventTime": "1970-01-01T00:00:01.500000Z",
            "firstTimestamp": "1970-01-01T00:00:01Z",
            "lastTimestamp": "1970-01-01T00:00:01Z",
            "count": 1,
            "source": {"component": well_known.REPORTER},
            "reportingComponent": well_known.REPORTER,
            "reportingInstance": "operator-1",
            "action": "Scale",
            "reason": "Scaled",
            "type": "Normal",
            "message": "x" * 1024,
            "involvedObject": {
                "apiVersion": "celeriac.dev/v1alpha1",
                "kind": "WorkerPool",
                "namespace": "shop",
                "name": "mail",
                "uid": "uid-mail",
            },
        }

    play(account, act)


def test_events_come_through_an_outage(account: Path) -> None:
    event = PoolEvent(type=EventType.NORMAL, reason="Scaled", message="", at_s=1)

    async def act(scene: Scene) -> None:
        scene.objects.failing = {"POST": 503}
        for number in range(3):
            await scene.reports.write_event(scene.pool(), replace(event, message=str(number)))
        await waiting.eventually_async(lambda: len(scene.objects.asked) > 5)
        scene.objects.failing = {}
        await scene.flushed()
        assert sorted(body["message"] for _, body in scene.objects.written) == ["0", "1", "2"]

    play(account, act)
