"""Revoked ids: how long they are kept, and which worker is told of which."""

import pytest

from app.broker.model import Heartbeat, NodeName
from app.broker.workers import revocations
from app.broker.workers.revocations import RevokedIds, StartedWorkers

NODE = NodeName("orders-1@here")


def heard(*nodes: NodeName, at_s: float) -> dict[NodeName, Heartbeat]:
    return {node: Heartbeat(node=node, active=0, processed=0, seen_at_s=at_s) for node in nodes}


def ids(**at_s: float) -> RevokedIds:
    found = RevokedIds()
    for task_id, moment_s in at_s.items():
        found.add([task_id], at_s=moment_s)
    return found


def test_ids_are_forgotten_with_age() -> None:
    found = ids(old=0.0, young=100.0)

    assert found.current(now_s=revocations.ID_LIFETIME_S) == ("old", "young")
    assert found.current(now_s=revocations.ID_LIFETIME_S + 1) == ("young",)


def test_an_id_that_is_revoked_again_lives_on() -> None:
    found = ids(first=0.0, second=1.0)
    found.add(["first"], at_s=2.0)

    assert found.by_time(now_s=3.0) == {"second": 1.0, "first": 2.0}


def test_the_oldest_ids_give_way_to_new_ones() -> None:
    found = RevokedIds()
    found.add((str(number) for number in range(revocations.ID_LIMIT + 2)), at_s=0.0)

    kept = found.current(now_s=0.0)

    assert (len(kept), kept[0]) == (revocations.ID_LIMIT, "2")


@pytest.mark.parametrize(
    ("informed_at_s", "want"),
    [
        pytest.param(None, {NODE: ("before", "between")}, id="who knows nothing hears all"),
        pytest.param(5.0, {NODE: ("between",)}, id="who knew some hears the rest"),
        pytest.param(15.0, {}, id="who knows all hears nothing"),
    ],
)
def test_a_worker_that_starts_is_told_what_it_has_missed(
    informed_at_s: float | None, want: dict[NodeName, tuple[str, ...]]
) -> None:
    started_workers = StartedWorkers()
    if informed_at_s is not None:
        started_workers.note_informed(NODE, at_s=informed_at_s)

    due = started_workers.due(heard(NODE, at_s=20.0), ids(before=1.0, between=10.0), now_s=20.0)

    assert due == want


def test_a_worker_that_has_not_confirmed_is_told_again_after_a_while() -> None:
    started_workers, found = StartedWorkers(), ids(a=1.0)

    told = [
        started_workers.due(heard(NODE, at_s=now_s), found, now_s=now_s) for now_s in (2, 3, 4, 7)
    ]

    assert told == [{NODE: ("a",)}, {}, {}, {NODE: ("a",)}]


def test_a_worker_that_listens_itself_is_told_nothing_more() -> None:
    started_workers, found = StartedWorkers(), ids(a=1.0)
    started_workers.due(heard(NODE, at_s=2.0), found, now_s=2.0)
    started_workers.note_informed(NODE, at_s=2.0)
    found.add(["later"], at_s=2.0 + revocations.SUBSCRIBED_WITHIN_S + 1)

    assert started_workers.due(heard(NODE, at_s=20.0), found, now_s=20.0) == {}


def test_a_revoke_while_a_worker_subscribes_reaches_it() -> None:
    started_workers, found = StartedWorkers(), ids(a=1.0)
    started_workers.due(heard(NODE, at_s=2.0), found, now_s=2.0)
    started_workers.note_informed(NODE, at_s=2.0)
    found.add(["meanwhile"], at_s=3.0)

    assert started_workers.due(heard(NODE, at_s=9.0), found, now_s=9.0) == {NODE: ("meanwhile",)}


def test_a_worker_that_starts_again_under_its_name_is_told_again() -> None:
    started_workers, found = StartedWorkers(), ids(a=1.0)
    started_workers.note_informed(NODE, at_s=2.0)
    assert started_workers.due(heard(NODE, at_s=9.0), found, now_s=9.0) == {}
    started_workers.due(heard(NODE, at_s=20.0), found, now_s=20.0)

    started_workers.note_start(NODE)

    assert started_workers.due(heard(NODE, at_s=30.0), found, now_s=30.0) == {NODE: ("a",)}


def test_a_silent_worker_is_not_told() -> None:
    silent = heard(NODE, at_s=0.0)

    assert StartedWorkers().due(silent, ids(a=1.0), now_s=revocations.CONTACT_S + 1) == {}
