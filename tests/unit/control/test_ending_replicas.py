"""Replicas that end go on working, and no heartbeat tells of them any more."""

from dataclasses import replace

from app.broker.model import BrokerReading, Heartbeat, NodeName, QueueReading
from app.control.decide.evaluation import evaluate
from app.control.decide.pool_memory import FRESH
from app.control.observe import broker_view
from app.control.observe.broker_view import BrokerView, WorkerHeartbeats
from app.control.ports import Instance, InstanceName, ScaleTarget
from app.control.report import status_builder
from app.queues import QueueName
from app.scaling.replica_state import Removal
from tests.unit.control.builders import worker_pool

NOW_S = 1000.0
BUSY = Instance(name=InstanceName("w-1"), is_ready=True, host="w-1", started_at_s=0.0)


def reading(*active: int) -> BrokerReading:
    """Workers w-1, w-2, … that run so many tasks each; four messages are unacknowledged."""
    beats = [
        Heartbeat(node=NodeName(f"celery@w-{n}"), active=tasks, processed=9, seen_at_s=NOW_S)
        for n, tasks in enumerate(active, start=1)
    ]
    queue = QueueReading(name=QueueName("q"), ready=12, unacked=4, scheduled=0)
    return BrokerReading(
        read_at_s=NOW_S,
        queues={queue.name: queue},
        heartbeats={beat.node: beat for beat in beats},
        listening_since_s=0.0,
    )


def heard(*active: int) -> WorkerHeartbeats:
    return broker_view.sort_heartbeats(reading(*active))


def test_what_was_heard_last_counts_until_the_replica_is_gone() -> None:
    ending = replace(BUSY, is_ending=True, is_ready=False)

    last = broker_view.with_last_active({}, [BUSY], heard(2), now_s=NOW_S)
    said_goodbye = broker_view.with_last_active(last, [ending], heard(), now_s=NOW_S)
    gone = broker_view.with_last_active(said_goodbye, [], heard(), now_s=NOW_S)

    assert broker_view.active_on_ending(last, [BUSY]) == 0
    assert broker_view.active_on_ending(said_goodbye, [ending]) == 2
    assert gone == {}


def test_a_replica_that_was_never_heard_adds_nothing() -> None:
    ending = replace(BUSY, is_ending=True)
    last = broker_view.with_last_active({}, [ending], heard(), now_s=NOW_S)

    assert broker_view.active_on_ending(last, [ending]) == 0


def test_a_status_counts_the_tasks_of_ending_replicas() -> None:
    """Issue 9: a pod that finished its task within its grace period was not in ACTIVE."""
    pool, other = worker_pool(), replace(BUSY, name=InstanceName("w-2"), host="w-2")
    target = ScaleTarget(
        replicas=2, ready_replicas=2, removal=Removal.CHOSEN, instances=(BUSY, other)
    )
    view = BrokerView(reading=reading(1, 1), heartbeats=heard(1, 1))
    before = evaluate(pool, target, view, memory=FRESH, now_s=NOW_S)
    ends = replace(target, instances=(replace(BUSY, is_ending=True), other))
    view = BrokerView(
        reading=reading(),
        heartbeats=broker_view.sort_heartbeats(without_first(reading(1, 1))),
    )
    after = evaluate(pool, ends, view, memory=before.memory, now_s=NOW_S + 1)

    status = status_builder.build_status(pool, after, now_s=NOW_S)

    assert (status.active_tasks, status.backlog, status.held) == (2, 12, 2)


def without_first(read: BrokerReading) -> BrokerReading:
    return replace(read, heartbeats=dict(list(read.heartbeats.items())[1:]))
