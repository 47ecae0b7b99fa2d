"""What is made of readings: who is heard, what counts, what is not known."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.broker.model import BrokerReading, Heartbeat, NodeAnswer, NodeName, QueueReading
from app.control.observe import broker_view, observation
from app.control.observe.broker_view import NO_HEARTBEATS, WorkerHeartbeats
from app.control.observe.observation import DrainState, DrainStates, Observation
from app.control.ports import DrainMark, Instance, InstanceName, ScaleTarget
from app.queues import QueueName
from app.scaling.replica_state import Removal, ReplicaAnswer
from app.scaling.sizing_inputs import PoolReading
from tests.unit.control.builders import worker_pool

NOW_S = 1_000_000.0


def heartbeat(node: str, *, active: int = 0, age_s: float = 1.0) -> Heartbeat:
    return Heartbeat(node=NodeName(node), active=active, processed=active, seen_at_s=NOW_S - age_s)


def queue(name: str = "q", **holds: Any) -> QueueReading:  # Any: whatever a test names
    empty = QueueReading(name=QueueName(name), ready=0, unacked=0, scheduled=0, due_soon=0)
    return replace(empty, **holds)


def broker(
    *heartbeats: Heartbeat, queues: tuple[QueueReading, ...] = (queue(),), since_s: float = 60.0
) -> BrokerReading:
    return BrokerReading(
        read_at_s=NOW_S,
        queues={one.name: one for one in queues},
        heartbeats={one.node: one for one in heartbeats},
        listening_since_s=NOW_S - since_s,
    )


def pod(name: str, **known: Any) -> Instance:  # Any: whatever a test names
    usual = Instance(name=InstanceName(name), is_ready=True, started_at_s=NOW_S - 600.0, host=name)
    return replace(usual, **known)


def target(*instances: Instance, replicas: int | None = None) -> ScaleTarget:
    return ScaleTarget(
        replicas=len(instances) if replicas is None else replicas,
        ready_replicas=len(instances),
        removal=Removal.CHOSEN,
        instances=instances,
    )


def observed(
    there: ScaleTarget,
    heard: BrokerReading | None,
    *,
    drain_states: DrainStates | None = None,
    **spec: Any,
) -> Observation:
    return observation.observe(
        worker_pool(**spec),
        there,
        heard,
        broker_view.sort_heartbeats(heard) if heard is not None else NO_HEARTBEATS,
        drain_states=drain_states if drain_states is not None else {},
        slots_per_replica=None,
        now_s=NOW_S,
    )


def test_queues_add_up_and_workers_are_found_by_host() -> None:
    two = (
        queue("a", ready=3, unacked=2, oldest_age_s=4.0),
        queue("b", ready=4, unacked=1, scheduled=1, due_soon=1, oldest_age_s=9.0),
    )
    beats = (heartbeat("celery@p1", active=2), heartbeat("celery@elsewhere", active=7))

    got = observed(target(pod("p1"), pod("p2")), broker(*beats, queues=two), queues=["a", "b"])

    assert replace(got.reading, nodes=()) == PoolReading(
        replicas=2, ready=7, unacked=3, scheduled=1, due_soon=1, active=2, oldest_age_s=9.0
    )
    assert [sample.node for sample in got.reading.nodes] == ["celery@p1"]
    assert got.silent == ("p2",)


def test_what_one_queue_does_not_tell_is_not_known_of_all() -> None:
    two = (queue("a", unacked=3), queue("b", unacked=None))

    got = observed(target(), broker(queues=two), queues=["a", "b"])

    assert (got.reading.unacked, got.reading.scheduled) == (None, 0)


def test_a_silent_broker_tells_nothing() -> None:
    got = observed(target(pod("p1")), None)

    assert (got.queues, got.reading.ready, got.reading.active) == (None, None, None)


@pytest.mark.parametrize(
    ("there", "since_s", "want"),
    [
        pytest.param(target(pod("p1")), 5.9, None, id="just begun to listen: not known"),
        pytest.param(target(pod("p1")), 6.0, 0, id="who lives has been heard by now"),
        pytest.param(target(), 0.0, 0, id="nobody is there to run anything"),
        pytest.param(target(pod("p1", is_started=False)), 0.0, 0, id="nobody is up yet"),
    ],
)
def test_running_tasks_are_known_after_listening(
    there: ScaleTarget, since_s: float, want: int | None
) -> None:
    assert observed(there, broker(since_s=since_s)).reading.active == want


@pytest.mark.parametrize(
    ("beats", "want"),
    [
        pytest.param((), None, id="never heard"),
        pytest.param((heartbeat("celery@p1", active=2),), 2, id="heard"),
        pytest.param((heartbeat("celery@p1", age_s=31.0),), None, id="fallen silent"),
        pytest.param(
            (heartbeat("a@p1", active=2), heartbeat("b@p1", active=1)), 3, id="two workers"
        ),
        pytest.param(
            (heartbeat("a@p1", active=2), heartbeat("b@p1", age_s=99.0)), None, id="one silent"
        ),
        pytest.param(
            (heartbeat("a@p1", active=2), heartbeat("b@p1", age_s=999.0)), 2, id="one of the past"
        ),
        pytest.param((heartbeat("celery@p1", age_s=999.0),), None, id="silent for long"),
    ],
)
def test_a_replica_runs_what_its_workers_say(
    beats: tuple[Heartbeat, ...], want: int | None
) -> None:
    got = observed(target(pod("p1")), broker(*beats))

    assert got.group.working[0].active == want


def test_named_nodes_come_before_the_host() -> None:
    local = pod("one", nodes=(NodeName("one@here"),), host="here")
    beats = (heartbeat("one@here", active=1), heartbeat("two@here", active=5))

    assert observed(target(local), broker(*beats)).group.working[0].active == 1


def test_a_replica_without_host_and_nodes_is_not_heard() -> None:
    got = observed(target(pod("p1", host=None)), broker(heartbeat("celery@p1")))

    assert got.group.working[0].active is None


def test_replicas_on_their_way_out_do_not_count() -> None:
    marked = pod("p2", mark=DrainMark(since_s=NOW_S - 5.0))
    there = target(pod("p1"), marked, pod("p3", is_ending=True), pod("p4"), replicas=2)
    drain_states = {InstanceName("p4"): DrainState(removed_at_s=NOW_S - 5.0)}

    got = observed(there, broker(), drain_states=drain_states)

    assert [one.name for one in got.group.working] == ["p1"]
    assert [one.name for one in got.group.draining] == ["p2"]
    assert (got.reading.replicas, got.reading.draining) == (1, 1)


def test_one_that_was_given_up_and_stays_counts_again() -> None:
    drain_states = {InstanceName("p1"): DrainState(removed_at_s=NOW_S - 121.0)}

    assert observed(target(pod("p1")), broker(), drain_states=drain_states).group.consuming == 1


def test_unready_means_nothing_while_we_have_just_begun_to_listen() -> None:
    there = target(pod("p1", is_ready=False))

    assert observed(there, broker(since_s=1.0)).group.working[0].is_ready
    assert not observed(there, broker(since_s=9.0)).group.working[0].is_ready


def test_any_worker_that_is_heard_can_be_asked() -> None:
    heard = broker_view.sort_heartbeats(
        broker(heartbeat("celery@p1", age_s=99.0), heartbeat("celery@p2"))
    )

    assert heard.live_nodes(pod("p2"), now_s=NOW_S) == ("celery@p2",)
    assert heard.live_nodes(pod("p1"), now_s=NOW_S) == ()


def test_silence_says_nothing_without_a_subscription() -> None:
    assert not WorkerHeartbeats(by_node={}, by_host={}, since_s=None).is_reliable(now_s=NOW_S)


def answer(node: str, **said: Any) -> NodeAnswer:  # Any: whatever a test names
    idle = NodeAnswer(
        node=NodeName(node),
        answered_at_s=NOW_S,
        active=0,
        reserved=0,
        queues=frozenset(),
    )
    return replace(idle, **said)


@pytest.mark.parametrize(
    ("answers", "want"),
    [
        pytest.param({}, None, id="nobody has spoken"),
        pytest.param({"a": answer("a")}, None, id="one of two has spoken"),
        pytest.param(
            {"a": answer("a"), "b": answer("b", active=1, reserved=2, answered_at_s=NOW_S - 1)},
            ReplicaAnswer(at_s=NOW_S - 1, held=3, is_consuming=False),
            id="all together",
        ),
        pytest.param(
            {"a": answer("a", queues=frozenset({QueueName("q")})), "b": answer("b")},
            ReplicaAnswer(at_s=NOW_S, held=0, is_consuming=True),
            id="one still consumes",
        ),
    ],
)
def test_workers_of_a_replica_answer_together(
    answers: Mapping[NodeName, NodeAnswer], want: ReplicaAnswer | None
) -> None:
    assert observation.joint_answer([NodeName("a"), NodeName("b")], answers) == want


def test_a_confirmed_stop_makes_earlier_answers_void() -> None:
    before = DrainState(answer=ReplicaAnswer(at_s=1.0, held=0, is_consuming=True))

    assert observation.with_stop_sent(before, tried_at_s=2.0, stopped_at_s=3.0) == DrainState(
        stop_tried_at_s=2.0, stopped_at_s=3.0, was_stopped=True
    )
    assert observation.with_stop_sent(before, tried_at_s=2.0, stopped_at_s=None) == replace(
        before, stop_tried_at_s=2.0
    )
