"""Carrying a plan out: what is done, in which order, and what is true when a step fails."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace

import pytest

from app.broker.model import ConsumedQueue, NodeConsumers, NodeName
from app.control.apply import PlanExecutor
from app.control.observe import broker_view, consumption
from app.control.observe.broker_view import NO_HEARTBEATS, WorkerHeartbeats
from app.control.observe.observation import DrainState, DrainStates
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import CancelledConsumers, DrainMark, InstanceName, Scaling
from app.errors import BrokerUnreachable
from app.queues import QueueName
from app.scaling.drain_plan import ScalePlan
from app.scaling.replica_state import ReplicaAnswer
from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator

Q = QueueName("q")


def stage_of(count: int) -> VirtualOperator:
    operator = VirtualOperator(VirtualCluster(replicas=count), worker_pool())
    operator.cluster.settle()
    return operator


def carry(
    operator: VirtualOperator,
    plan: ScalePlan,
    *,
    drain_states: DrainStates | None = None,
    heard: WorkerHeartbeats | None = None,
    pool: WorkerPool | None = None,
) -> PlanExecutor:
    async def play() -> PlanExecutor:
        reading = await operator.queues.read([QueueName("q")])
        executor = PlanExecutor(
            pool or worker_pool(),
            await operator.replicas.read(pool or worker_pool()),
            heard if heard is not None else broker_view.sort_heartbeats(reading),
            drain_states=drain_states if drain_states is not None else {},
            replicas=operator.replicas,
            workers=operator.workers,
            clock=operator.cluster.clock,
        )
        with suppress(BrokerUnreachable):
            await executor.apply(plan)
        return executor

    return asyncio.run(play())


def names(operator: VirtualOperator) -> list[InstanceName]:
    return list(operator.cluster.pods)


def test_a_plan_that_changes_nothing_does_nothing() -> None:
    operator = stage_of(2)

    executor = carry(operator, ScalePlan(replicas=2))

    assert (operator.replicas.writes, operator.workers.spoken_to) == (0, [])
    assert executor.scaling is None


def test_what_was_written_is_known_when_talking_fails() -> None:
    operator = stage_of(2)
    one, _ = names(operator)
    heard = broker_view.sort_heartbeats(asyncio.run(operator.queues.read([])))

    async def say_nothing(*_: object, **__: object) -> frozenset[NodeName]:
        raise BrokerUnreachable(host="broker.test")

    operator.workers.stop_consuming = say_nothing  # type: ignore[method-assign]  # ours to bend
    executor = carry(operator, ScalePlan(replicas=3, stop=(one,)), heard=heard)

    assert executor.scaling == Scaling(was=2, now=3)
    assert operator.cluster.replicas == 3


def test_marks_are_written_before_workers_are_stopped() -> None:
    operator = stage_of(2)
    one, _ = names(operator)

    executor = carry(operator, ScalePlan(replicas=2, mark=(one,), stop=(one,)))

    pod = operator.cluster.pods[one]
    cancelled = {pod.node: CancelledConsumers(queues=frozenset({Q}), at_s=operator.cluster.now_s)}
    mark = DrainMark(since_s=operator.cluster.now_s, cancelled=cancelled)
    assert (pod.mark, pod.is_consuming) == (mark, False)
    assert executor.drain_states == {
        one: DrainState(
            stop_tried_at_s=operator.cluster.now_s,
            stopped_at_s=operator.cluster.now_s,
            was_stopped=True,
            cancelled=cancelled,
        )
    }


def test_a_mark_stays_until_the_worker_has_confirmed_that_it_consumes() -> None:
    operator = stage_of(1)
    (one,) = names(operator)
    pod = operator.cluster.pods[one]
    mark = DrainMark(
        since_s=1.0,
        cancelled={
            pod.node: CancelledConsumers(queues=frozenset({Q}), at_s=operator.cluster.now_s)
        },
    )
    pod.mark, pod.cancelled, pod.consumed = mark, mark.cancelled, set()
    idle = ReplicaAnswer(at_s=3.0, held=0, is_consuming=False)
    drain_states = {one: DrainState(stop_tried_at_s=1.0, stopped_at_s=1.0, answer=idle)}
    resume = operator.workers.resume_consuming

    async def resume_unheard(
        queues: Mapping[NodeName, Collection[ConsumedQueue]],
    ) -> frozenset[NodeName]:
        await resume(queues)
        return frozenset()

    operator.workers.resume_consuming = resume_unheard  # type: ignore[method-assign]  # as above
    executor = carry(operator, ScalePlan(replicas=1, resume=(one,)), drain_states=drain_states)
    # It consumes again without our knowing it: that it was idle once proves nothing any more.
    assert pod.is_consuming
    assert pod.mark == mark
    assert executor.drain_states == {one: DrainState(stop_tried_at_s=1.0)}

    executor = carry(operator, ScalePlan(replicas=1, resume=(one,)), drain_states=drain_states)
    assert operator.cluster.pods[one].mark is None
    assert executor.drain_states == {}


def test_a_worker_is_woken_with_exactly_the_queues_that_it_was_told_to_stop() -> None:
    """Waking it with all of the spec's queues made it consume one whose tasks it does not know."""
    operator = stage_of(2)
    one, two = names(operator)
    mail = QueueName("mail")
    operator.cluster.pods[one].queues = frozenset({Q, mail})
    spec = worker_pool(queues=["q", "reports"])

    carry(operator, ScalePlan(replicas=2, stop=(one, two)), pool=spec)
    assert operator.cluster.pods[one].consuming == {mail}
    assert operator.cluster.pods[two].consuming == set()

    # The spec gains a queue, and another loop wakes them: it knows what is written at the replicas.
    carry(
        operator,
        ScalePlan(replicas=2, resume=(one, two)),
        pool=worker_pool(queues=["reports", "mail"]),
    )
    assert operator.cluster.pods[one].consuming == {Q, mail}
    assert operator.cluster.pods[two].consuming == {Q}


def test_a_second_stop_adds_to_what_the_first_has_cancelled() -> None:
    operator = stage_of(1)
    (one,) = names(operator)
    mail = QueueName("mail")
    pod = operator.cluster.pods[one]
    pod.queues = frozenset({Q, mail})

    first = carry(operator, ScalePlan(replicas=1, stop=(one,)))
    began_at_s = operator.cluster.now_s
    operator.cluster.advance(5.0)
    carry(operator, ScalePlan(replicas=1, stop=(one,)), pool=worker_pool(queues=["q", "mail"]))
    assert pod.consuming == set()
    record = CancelledConsumers(queues=frozenset({Q, mail}), at_s=began_at_s)
    assert pod.mark == DrainMark(since_s=began_at_s, cancelled={pod.node: record})

    # A watch that has not shown the second write yet does not lose what we know.
    pod.mark = DrainMark(since_s=began_at_s, cancelled=first.drain_states[one].cancelled or {})
    drain_states = {one: replace(first.drain_states[one], cancelled={pod.node: record})}
    carry(operator, ScalePlan(replicas=1, resume=(one,)), drain_states=drain_states)
    assert pod.consuming == {Q, mail}


def test_a_worker_that_does_not_answer_is_marked_and_not_stopped() -> None:
    """What it consumes is not known, so nothing could be given back to it."""
    operator = stage_of(1)
    (one,) = names(operator)
    pod = operator.cluster.pods[one]
    heard = broker_view.sort_heartbeats(asyncio.run(operator.queues.read([])))
    pod.is_mute = True

    executor = carry(operator, ScalePlan(replicas=1, mark=(one,), stop=(one,)), heard=heard)

    assert pod.is_consuming
    assert pod.mark == DrainMark(since_s=operator.cluster.now_s)
    assert executor.drain_states[one].stopped_at_s is None


def test_private_queues_are_left_to_a_worker_that_stops() -> None:
    seen = NodeConsumers(
        node=NodeName("w@a"),
        seen_at_s=1.0,
        queues=frozenset(
            {
                ConsumedQueue(name=Q),
                ConsumedQueue(name=QueueName("bcast.1"), alias=QueueName("news"), is_private=True),
                ConsumedQueue(name=QueueName("long.name"), alias=QueueName("short")),
            }
        ),
    )
    spec = [Q, QueueName("news"), QueueName("short")]
    assert consumption.queues_to_cancel(seen, spec) == {Q, "long.name"}


@pytest.mark.parametrize(
    ("began_at_s", "want"),
    [
        pytest.param(50.0, {"q"}, id="the process that was told"),
        pytest.param(100.9, {"q"}, id="to the second"),
        pytest.param(None, {"q"}, id="it does not say when it began"),
        pytest.param(101.1, set(), id="its container has restarted since"),
    ],
)
def test_only_the_process_that_was_told_is_given_its_queues_back(
    began_at_s: float | None, want: set[str]
) -> None:
    record = CancelledConsumers(queues=frozenset({Q}), at_s=100.0)
    seen = NodeConsumers(
        node=NodeName("w@a"), seen_at_s=200.0, queues=frozenset(), began_at_s=began_at_s
    )
    assert {queue.name for queue in consumption.queues_to_restore(record, seen)} == want


@pytest.mark.parametrize(
    ("is_up", "note", "listened_before", "want"),
    [
        pytest.param(True, DrainState(), True, None, id="came up silent: nobody has stopped it"),
        pytest.param(
            True, DrainState(), False, 1.0, id="it may have been stopped before we listened"
        ),
        pytest.param(True, DrainState(stop_tried_at_s=1.0), True, 1.0, id="we have stopped it"),
        pytest.param(False, DrainState(), False, None, id="it is not up yet"),
    ],
)
def test_an_unheard_replica_is_unmarked_only_if_it_was_never_stopped(
    *, is_up: bool, note: DrainState, listened_before: bool, want: float | None
) -> None:
    operator = VirtualOperator(
        VirtualCluster(replicas=1, boot_s=2.0 if is_up else 900.0), worker_pool()
    )
    operator.cluster.advance(6.0)
    (one,) = names(operator)
    operator.cluster.pods[one].mark = DrainMark(since_s=1.0)
    since_s = operator.cluster.now_s - (60.0 if listened_before else 0.0)

    carry(
        operator,
        ScalePlan(replicas=1, resume=(one,)),
        drain_states={one: note},
        heard=replace(NO_HEARTBEATS, since_s=since_s),
    )

    mark = operator.cluster.pods[one].mark
    assert (mark.since_s if mark is not None else None) == want


def test_other_queues_of_a_worker_are_noted() -> None:
    operator = stage_of(1)
    (one,) = names(operator)
    ask = operator.workers.ask

    async def ask_one_with_two_queues(nodes: list[NodeName]) -> object:
        return {
            node: replace(answer, queues=frozenset({QueueName("q"), QueueName("mail")}))
            for node, answer in (await ask(nodes)).items()
        }

    operator.workers.ask = ask_one_with_two_queues  # type: ignore[method-assign,assignment]  # as above
    executor = carry(operator, ScalePlan(replicas=1, ask=(one,)))

    assert executor.drain_states[one].other_queues == {"mail"}


def test_victims_are_remembered_as_given_up() -> None:
    operator = stage_of(2)
    one, two = names(operator)

    executor = carry(operator, ScalePlan(replicas=1, victims=(one,)))

    assert names(operator) == [two]
    assert executor.drain_states == {one: DrainState(removed_at_s=operator.cluster.now_s)}
