"""What the workers does when it is scaled and when processes die. Processes here only pretend."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from app.broker.model import NodeName
from app.control.pool.problems import PoolProblem
from app.control.ports import DrainMark, InstanceName, ScaleTarget
from app.local.plan import local_pools
from app.local.plan.local_pools import LocalPool
from app.local.processes.zygote_client import ZygoteGone
from app.local.worker_replicas import WorkerReplicas
from app.queues import QUEUES
from tests.waiting import eventually_async


class Pretended:
    """A process that ends when it is told to, unless it is stubborn."""

    def __init__(self, pid: int, *, heeds: frozenset[signal.Signals]) -> None:
        self.pid = pid
        self.got: list[signal.Signals] = []
        self._heeds = heeds
        self._exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self._exit)

    def last_line(self) -> str:
        return "ImportError: no shop"

    def signal(self, number: signal.Signals) -> None:
        self.got.append(number)
        if number in self._heeds:
            self.end(-number)

    def end(self, code: int) -> None:
        if not self._exit.done():
            self._exit.set_result(code)


@dataclass(kw_only=True)
class Scene:
    """A workers of two pools and everything that it has started."""

    workers: WorkerReplicas
    first: LocalPool
    second: LocalPool
    started: dict[NodeName, Pretended]
    said: list[str]

    async def scaled(self, pool: LocalPool, replicas: int, *victims: str) -> ScaleTarget:
        was = (await self.workers.read(pool.pool)).replicas
        names = [InstanceName(name) for name in victims]
        await self.workers.scale_to(pool.pool, was=was, replicas=replicas, victims=names)
        return await self.settled(pool)

    async def settled(self, pool: LocalPool) -> ScaleTarget:
        for _ in range(10):
            await asyncio.sleep(0)
        return await self.workers.read(pool.pool)


@dataclass(kw_only=True)
class Stage:
    """What the pretended processes do."""

    heeds: frozenset[signal.Signals] = frozenset({signal.SIGTERM, signal.SIGKILL})
    max_workers: int = 10
    failing: list[Exception] = field(default_factory=list)


def play(scenario: Callable[[Scene], Awaitable[None]], stage: Stage | None = None) -> None:
    stage = stage or Stage()

    async def run() -> None:
        started: dict[NodeName, Pretended] = {}
        said: list[str] = []

        async def start_worker(pool: LocalPool, node: NodeName) -> Pretended:
            if stage.failing:
                raise stage.failing.pop()
            started[node] = Pretended(len(started) + 1, heeds=stage.heeds)
            return started[node]

        first, second, *_ = local_pools.declared_pools(QUEUES, processors=8, cooldown_s=30.0)
        workers = WorkerReplicas(
            [first, second],
            start_worker=start_worker,
            host="here",
            max_workers=stage.max_workers,
            clock=asyncio.get_running_loop().time,
            tell=lambda subject, text: said.append(f"{subject}: {text}"),
        )
        scene = Scene(workers=workers, first=first, second=second, started=started, said=said)
        await scenario(scene)

    asyncio.run(run())


def names_of(target: ScaleTarget) -> list[str]:
    return [instance.name for instance in target.instances]


def test_it_starts_what_is_wanted_and_ends_the_victims() -> None:
    async def scenario(scene: Scene) -> None:
        target = await scene.scaled(scene.first, 3)
        assert [target.replicas, target.ready_replicas] == [3, 3]
        assert names_of(target) == ["default-1", "default-2", "default-3"]

        target = await scene.scaled(scene.first, 2, "default-2")
        assert [target.replicas, target.ready_replicas] == [2, 2]
        assert names_of(target) == ["default-1", "default-3"]

    play(scenario)


def test_a_name_is_never_used_again() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.scaled(scene.first, 1)
        await scene.scaled(scene.first, 0, "default-1")
        assert names_of(await scene.scaled(scene.first, 1)) == ["default-2"]

    play(scenario)


def test_a_worker_that_is_told_to_end_is_shown_as_ending_until_it_has() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.scaled(scene.first, 2)
        target = await scene.scaled(scene.first, 1, "default-1")
        assert [(one.name, one.is_ending) for one in target.instances] == [
            ("default-1", True),
            ("default-2", False),
        ]
        scene.started[NodeName("default-1@here")].end(0)
        assert names_of(await scene.settled(scene.first)) == ["default-2"]
        assert scene.said == []

    play(scenario, Stage(heeds=frozenset()))


def test_a_target_that_was_written_by_another_is_a_conflict() -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(PoolProblem, match="0 replicas are wanted, not 5"):
            await scene.workers.scale_to(scene.first.pool, was=5, replicas=6, victims=[])

    play(scenario)


def test_a_worker_that_dies_is_replaced_and_told_about() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.scaled(scene.first, 1)
        scene.started[NodeName("default-1@here")].end(-signal.SIGSEGV)
        await scene.settled(scene.first)
        assert scene.said == [
            "default: worker default-1 died (signal SIGSEGV) after 0 s; starting another in 0.5 s"
        ]
        await eventually_async(lambda: NodeName("default-2@here") in scene.started)

    play(scenario)


def test_a_worker_that_ends_with_an_error_is_told_with_the_last_line_of_its_log() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.scaled(scene.first, 1)
        scene.started[NodeName("default-1@here")].end(1)
        await scene.settled(scene.first)
        assert scene.said == [
            "default: worker default-1 died (exit code 1; the last line of its log: "
            "'ImportError: no shop') after 0 s; starting another in 0.5 s"
        ]

    play(scenario)


def test_a_worker_that_cannot_be_started_is_tried_again_later() -> None:
    async def scenario(scene: Scene) -> None:
        target = await scene.scaled(scene.first, 1)
        assert [target.replicas, names_of(target)] == [1, []]
        assert scene.said == [
            "default: worker default-1 died (gone) after 0 s; starting another in 0.5 s"
        ]
        assert names_of(await scene.settled(scene.first)) == []

    play(scenario, Stage(failing=[ZygoteGone("gone")]))


def test_the_machine_has_a_limit_but_every_pool_may_have_one() -> None:
    async def scenario(scene: Scene) -> None:
        assert (await scene.scaled(scene.first, 8)).replicas == 3
        assert (await scene.scaled(scene.second, 5)).replicas == 1

    play(scenario, Stage(max_workers=3))


def test_marks_are_kept_at_the_worker() -> None:
    async def scenario(scene: Scene) -> None:
        mark = DrainMark(since_s=5.0)
        name, absent = InstanceName("default-1"), InstanceName("default-9")
        await scene.scaled(scene.first, 1)
        await scene.workers.mark(scene.first.pool, {name: mark, absent: mark})
        assert [one.mark for one in (await scene.settled(scene.first)).instances] == [mark]
        await scene.workers.mark(scene.first.pool, {name: None})
        assert [one.mark for one in (await scene.settled(scene.first)).instances] == [None]

    play(scenario)


def test_new_code_means_new_workers() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.scaled(scene.first, 2)
        scene.workers.renew()
        target = await scene.settled(scene.first)
        assert names_of(target) == ["default-3", "default-4"]
        assert scene.said == []

    play(scenario)


@pytest.mark.parametrize(
    ("heeds", "want"),
    [
        pytest.param(signal.SIGTERM, ["SIGTERM"], id="a worker that finishes in time"),
        pytest.param(signal.SIGQUIT, ["SIGTERM", "SIGQUIT"], id="one that hands its task back"),
    ],
)
def test_workers_are_ended_step_by_step(heeds: signal.Signals, want: list[str]) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.scaled(scene.first, 1)
        await scene.workers.stop(grace_s=0.05, skip=asyncio.Event())
        (process,) = scene.started.values()
        assert [number.name for number in process.got] == want
        assert names_of(await scene.settled(scene.first)) == []

    play(scenario, Stage(heeds=frozenset({heeds})))


def test_workers_are_killed_when_there_is_no_time() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.scaled(scene.first, 1)
        skip = asyncio.Event()
        skip.set()
        await scene.workers.stop(grace_s=1000, skip=skip)
        (process,) = scene.started.values()
        assert process.got == [signal.SIGKILL]

    play(scenario)


def test_nothing_is_started_while_all_end() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.scaled(scene.first, 1)
        await scene.workers.stop(grace_s=1, skip=asyncio.Event())
        assert names_of(await scene.scaled(scene.first, 2)) == []

    play(scenario)
