"""How many tasks a replica is taken to run at once."""

import pytest

from app.broker.model import Heartbeat, NodeConsumers, NodeName
from app.control.observe import worker_queries
from app.control.observe.broker_view import WorkerHeartbeats
from app.control.ports import Instance, InstanceName

NOW_S = 1_000.0
PODS = [Instance(name=InstanceName(name), host=name, is_ready=True) for name in ("p1", "p2")]


def heartbeats(**active: int) -> WorkerHeartbeats:
    """One worker a host; a negative number was heard long ago."""
    found = {
        host: Heartbeat(
            node=NodeName(f"celery@{host}"),
            active=abs(count),
            processed=9,
            seen_at_s=NOW_S - (0 if count >= 0 else 60),
        )
        for host, count in active.items()
    }
    return WorkerHeartbeats(
        by_node={one.node: one for one in found.values()},
        by_host={host: (one,) for host, one in found.items()},
        since_s=0.0,
    )


@pytest.mark.parametrize(
    ("known", "active", "want"),
    [
        pytest.param(4, {"p1": 3, "p2": 4}, 4, id="what workers say"),
        pytest.param(1, {"p1": 6, "p2": 0}, 6, id="more is seen running at once than they say"),
        pytest.param(None, {"p1": 3}, 3, id="nobody said anything"),
        pytest.param(None, {"p1": 1}, None, id="one task says nothing"),
        pytest.param(2, {"p1": -7}, 2, id="a worker that is silent now"),
        pytest.param(2, {"elsewhere": 7}, 2, id="another pool's worker"),
    ],
)
def test_what_is_seen_running_is_believed(
    known: int | None, active: dict[str, int], want: int | None
) -> None:
    assert worker_queries.believed_slots(known, PODS, heartbeats(**active), now_s=NOW_S) == want


def test_a_worker_that_has_answered_before_is_asked_first() -> None:
    heard = heartbeats(p1=0, p2=0)
    one, two = NodeName("celery@p1"), NodeName("celery@p2")

    def ask(*silent: NodeName) -> tuple[NodeName, ...]:
        return worker_queries.nodes_to_ask_for_slots(PODS, heard, silent=silent, now_s=NOW_S)

    assert [ask(), ask(one), ask(one, two)] == [(one,), (two,), (one,)]
    assert (
        worker_queries.nodes_to_ask_for_slots(PODS, heartbeats(p1=-1), silent=(), now_s=NOW_S) == ()
    )


def test_workers_of_one_replica_add_up() -> None:
    def worker(count: int | None) -> NodeConsumers:
        return NodeConsumers(node=NodeName("a@p"), seen_at_s=NOW_S, queues=frozenset(), slots=count)

    assert worker_queries.slots_of_replica([worker(2), worker(3)]) == 5
    assert worker_queries.slots_of_replica([worker(None)]) is None
