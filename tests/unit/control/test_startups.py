"""Workers that hang at their start, slow ones, and ones whose start was not listened to."""

from dataclasses import replace
from typing import Any

import pytest

from app.broker.model import BrokerReading, Heartbeat, NodeName
from app.control.observe import broker_view
from app.control.observe.broker_view import WorkerHeartbeats
from app.control.ports import Instance, InstanceName

NOW_S = 1_000_000.0


def instance(name: str, *, started_s_ago: float, **known: Any) -> Instance:  # Any: as a test names
    usual = Instance(
        name=InstanceName(name), is_ready=True, started_at_s=NOW_S - started_s_ago, host=name
    )
    return replace(usual, **known)


def heard(*beats: Heartbeat, since_s: float = 3600.0) -> WorkerHeartbeats:
    return broker_view.sort_heartbeats(
        BrokerReading(
            read_at_s=NOW_S,
            queues={},
            heartbeats={beat.node: beat for beat in beats},
            listening_since_s=NOW_S - since_s,
        )
    )


def beat(name: str, *, first_s_ago: float) -> Heartbeat:
    return Heartbeat(
        node=NodeName(f"w@{name}"),
        active=0,
        processed=0,
        seen_at_s=NOW_S - 1.0,
        first_seen_at_s=NOW_S - first_s_ago,
    )


@pytest.mark.parametrize(
    ("started_s_ago", "first_s_ago", "since_s", "want"),
    [
        pytest.param(100.0, 75.0, 3600.0, 25.0, id="seen from its beginning"),
        pytest.param(100.0, 75.0, 90.0, None, id="listening has begun after its start"),
        pytest.param(50.0, 75.0, 3600.0, None, id="its container has restarted"),
    ],
)
def test_a_start_takes_as_long_as_until_the_first_heartbeat(
    started_s_ago: float, first_s_ago: float, since_s: float, want: float | None
) -> None:
    found = broker_view.longest_startup_s(
        None,
        [instance("a", started_s_ago=started_s_ago)],
        heard(beat("a", first_s_ago=first_s_ago), since_s=since_s),
    )
    assert found == want


def test_the_longest_start_is_remembered() -> None:
    one = [instance("a", started_s_ago=100.0)]
    listening = heard(beat("a", first_s_ago=75.0))
    assert broker_view.longest_startup_s(40.0, one, listening) == 40.0
    assert broker_view.longest_startup_s(10.0, one, listening) == 25.0


@pytest.mark.parametrize(
    ("one", "since_s", "longest_s", "is_hung"),
    [
        pytest.param(instance("a", started_s_ago=61.0), 3600.0, 5.0, True, id="others took 5 s"),
        pytest.param(instance("a", started_s_ago=60.0), 3600.0, 5.0, False, id="not yet"),
        pytest.param(instance("a", started_s_ago=89.0), 3600.0, 30.0, False, id="others are slow"),
        pytest.param(instance("a", started_s_ago=91.0), 3600.0, 30.0, True, id="but not as slow"),
        pytest.param(instance("a", started_s_ago=999.0), 900.0, 5.0, False, id="not listened to"),
        pytest.param(
            instance("a", started_s_ago=999.0), 3600.0, None, False, id="no other was ever heard"
        ),
        pytest.param(
            instance("a", started_s_ago=999.0, is_started=False),
            3600.0,
            5.0,
            False,
            id="its container does not run",
        ),
    ],
)
def test_a_worker_hangs_that_was_not_heard_in_the_time_of_others(
    one: Instance, since_s: float, longest_s: float | None, *, is_hung: bool
) -> None:
    found = broker_view.hung_replicas(
        [one], heard(since_s=since_s), longest_s=longest_s, now_s=NOW_S
    )
    assert found == ({"a"} if is_hung else frozenset())


def test_a_worker_that_was_ever_heard_does_not_hang_at_its_start() -> None:
    silent = replace(beat("a", first_s_ago=500.0), seen_at_s=NOW_S - 400.0)
    one = [instance("a", started_s_ago=600.0)]
    assert broker_view.hung_replicas(one, heard(silent), longest_s=5.0, now_s=NOW_S) == frozenset()
