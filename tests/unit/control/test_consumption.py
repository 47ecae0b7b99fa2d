"""What workers have lost of what they consumed, who is given it back, and what is told."""

from dataclasses import replace
from typing import Any

import pytest

from app.broker.model import ConsumedQueue, NodeConsumers, NodeName
from app.control.decide import findings, missing_consumers
from app.control.decide.missing_consumers import Remedy
from app.control.observe import consumption, worker_queries
from app.control.observe.consumption import AwakeWorker, Consumption, WorkerRecord
from app.control.observe.worker_queries import ConsumerQuery
from app.control.ports import CancelledConsumers, InstanceName
from app.queues import QueueName

NOW_S = 1_000_000.0
MAIL, ORDERS, REPORTS = QueueName("mail"), QueueName("orders"), QueueName("reports")
SPEC = (MAIL, ORDERS)


def worker(name: str, **known: Any) -> AwakeWorker:  # Any: whatever a test names
    calm = AwakeWorker(
        node=NodeName(f"w@{name}"),
        replica=InstanceName(name),
        is_idle=False,
        connected_at_s=NOW_S - 3600.0,
    )
    return replace(calm, **known)


def seen(name: str, *queues: QueueName, at_s: float = NOW_S, **known: Any) -> NodeConsumers:
    usual = NodeConsumers(
        node=NodeName(f"w@{name}"),
        seen_at_s=at_s,
        queues=frozenset(ConsumedQueue(name=queue) for queue in queues),
        began_at_s=NOW_S - 5000.0,
    )
    return replace(usual, **known)


def after(
    known: Consumption,
    workers: list[AwakeWorker],
    *answers: NodeConsumers,
    at_s: float = NOW_S,
    spec: tuple[QueueName, ...] = SPEC,
) -> Consumption:
    """After all of these workers were asked, and these answered."""
    return consumption.with_answers(
        known,
        workers,
        [one.node for one in workers],
        {answer.node: replace(answer, seen_at_s=at_s) for answer in answers},
        spec_queues=spec,
        now_s=at_s,
    )


def lost_twice(
    workers: list[AwakeWorker], before: list[NodeConsumers], now: list[NodeConsumers]
) -> Consumption:
    """Seen with `before`, then twice with `now`."""
    known = after(Consumption(), workers, *before, at_s=NOW_S - 100.0)
    known = after(known, workers, *now, at_s=NOW_S - consumption.RECHECK_S)
    return after(known, workers, *now)


def consumers_to_restore(
    workers: list[AwakeWorker], known: Consumption, **when: Any
) -> dict[str, set[str]]:
    found = consumption.consumers_to_restore(
        workers, known, spec_queues=SPEC, now_s=when.get("at_s", NOW_S)
    )
    return {node: {queue.name for queue in queues} for node, queues in found.items()}


def test_a_worker_is_given_back_what_its_process_has_consumed() -> None:
    one = [worker("a")]
    known = lost_twice(one, [seen("a", MAIL, ORDERS, REPORTS)], [seen("a", MAIL)])

    # What the spec does not name is no business of the pool.
    assert consumers_to_restore(one, known) == {"w@a": {"orders"}}


def test_one_look_is_not_enough() -> None:
    """A worker that connects anew consumes nothing for a moment."""
    one = [worker("a")]
    known = after(Consumption(), one, seen("a", MAIL), at_s=NOW_S - 100.0)
    known = after(known, one, seen("a"))

    assert consumers_to_restore(one, known) == {}
    assert missing_consumers.missing_consumers(one, known, spec_queues=SPEC, restoring=()) == ()
    known = after(known, one, seen("a", MAIL), at_s=NOW_S + 2)
    assert known.records[one[0].node].lacking_since_s is None


def test_what_was_cancelled_for_a_drain_is_given_back_after_a_restart_of_the_operator() -> None:
    cancelled = CancelledConsumers(queues=frozenset({ORDERS}), at_s=NOW_S - 600.0)
    one = [worker("a", cancelled=cancelled)]
    known = after(Consumption(), one, seen("a"), at_s=NOW_S - consumption.RECHECK_S)

    assert consumers_to_restore(one, after(known, one, seen("a"))) == {"w@a": {"orders"}}


@pytest.mark.parametrize(
    ("template", "others", "want"),
    [
        pytest.param("v1", (MAIL, ORDERS), {"w@a": {"mail", "orders"}}, id="alike"),
        pytest.param("v2", (MAIL, ORDERS), {}, id="another revision may not know the tasks"),
        pytest.param("v1", (MAIL,), {"w@a": {"mail"}}, id="what all of them consume"),
        pytest.param("v1", (), {}, id="none of them consumes anything"),
    ],
)
def test_a_worker_that_is_not_known_is_compared_with_those_that_are_alike(
    template: str, others: tuple[QueueName, ...], want: dict[str, set[str]]
) -> None:
    workers = [worker("a", template="v1")]
    workers += [worker(name, template=template) for name in ("b", "c")]
    answers = [seen("a"), seen("b", *others), seen("c", MAIL, *others) if others else seen("c")]
    known = after(Consumption(), workers, *answers, at_s=NOW_S - consumption.RECHECK_S)

    found = consumers_to_restore(workers, after(known, workers, *answers))

    assert {node: queues for node, queues in found.items() if node == "w@a"} == want


def test_a_new_process_is_expected_to_consume_what_it_begins_with() -> None:
    one = [worker("a")]
    restarted = seen("a", MAIL, began_at_s=NOW_S - 50.0)

    assert consumers_to_restore(one, lost_twice(one, [seen("a", MAIL, ORDERS)], [restarted])) == {}


def test_a_worker_that_loses_its_consumers_again_is_left_to_whoever_took_them() -> None:
    one = [worker("a")]
    known = lost_twice(one, [seen("a", MAIL)], [seen("a")])
    told = consumption.consumers_to_restore(one, known, spec_queues=SPEC, now_s=NOW_S)
    known = consumption.with_restored(known, told, list(told), now_s=NOW_S)
    assert missing_consumers.missing_consumers(one, known, spec_queues=SPEC, restoring=()) == ()

    for at_s in (NOW_S + 30.0, NOW_S + 33.0, NOW_S + 7200.0):
        known = after(known, one, seen("a"), at_s=at_s)
        assert consumers_to_restore(one, known, at_s=at_s) == {}
    (found,) = missing_consumers.missing_consumers(one, known, spec_queues=SPEC, restoring=())
    assert (found.remedy, found.queues) == (Remedy.LEFT, (MAIL,))
    assert "a consumes nothing (lost again" in findings.not_consuming([found]).message

    # It has connected to the broker anew: Celery may have lost them, and not a person.
    again = [worker("a", connected_at_s=NOW_S + 7000.0)]
    assert consumers_to_restore(again, known, at_s=NOW_S + 7200.0) == {"w@a": {"mail"}}


def test_a_worker_that_has_not_confirmed_is_told_again_after_a_while() -> None:
    one = [worker("a")]
    known = lost_twice(one, [seen("a", MAIL)], [seen("a")])
    told = consumption.consumers_to_restore(one, known, spec_queues=SPEC, now_s=NOW_S)
    known = consumption.with_restored(known, told, (), now_s=NOW_S)

    for later_s, want in ((30.0, {}), (60.0, {"w@a": {"mail"}})):
        known = after(known, one, seen("a"), at_s=NOW_S + later_s)
        assert consumers_to_restore(one, known, at_s=NOW_S + later_s) == want


def test_a_replica_is_no_capacity_when_none_of_its_workers_has_consumed_for_a_while() -> None:
    two = [worker("a"), replace(worker("b"), replica=InstanceName("a")), worker("c")]
    answers = [seen("a"), seen("b", MAIL), seen("c", REPORTS)]
    known = after(Consumption(), two, *answers, at_s=NOW_S - 20.0)
    known = after(known, two, *answers)
    assert missing_consumers.without_capacity(two, known) == frozenset()

    alone = [two[0], two[2]]
    assert missing_consumers.without_capacity(alone, known) == {"a"}
    young = after(Consumption(), alone, *answers, at_s=NOW_S - missing_consumers.NO_CAPACITY_S + 1)
    assert missing_consumers.without_capacity(alone, after(young, alone, *answers)) == frozenset()


NEWS = ConsumedQueue(name=QueueName("bcast.1"), alias=QueueName("news"), is_private=True)


@pytest.mark.parametrize(
    ("answers", "spec", "want"),
    [
        pytest.param([seen("a", MAIL), seen("b", ORDERS)], SPEC, None, id="together they agree"),
        pytest.param(
            [seen("a", MAIL, ORDERS), seen("b", MAIL, ORDERS)],
            (MAIL, QueueName("orderz")),
            ((MAIL, ORDERS), ("orderz",), (ORDERS,)),
            id="a typing error",
        ),
        pytest.param(
            [seen("a", MAIL), seen("b", MAIL)], SPEC, ((MAIL,), (ORDERS,), ()), id="unserved"
        ),
        pytest.param(
            [seen("a", MAIL, ORDERS), seen("b", MAIL, ORDERS, REPORTS)],
            SPEC,
            ((MAIL, ORDERS, REPORTS), (), (REPORTS,)),
            id="one worker was given a queue that it should not have",
        ),
        pytest.param(
            [seen("a", MAIL), seen("b", queues=frozenset({NEWS, ConsumedQueue(name=MAIL)}))],
            (MAIL, QueueName("news")),
            None,
            id="a broadcast is known by its alias, and needs no name",
        ),
        pytest.param([seen("a", MAIL)], SPEC, None, id="not every worker was asked yet"),
        pytest.param([seen("a"), seen("b")], SPEC, None, id="nobody consumes: another finding"),
    ],
)
def test_the_queues_of_the_spec_and_of_the_workers_are_compared(
    answers: list[NodeConsumers], spec: tuple[QueueName, ...], want: object
) -> None:
    two = [worker("a"), worker("b")]
    nodes = {one.node for one in answers}
    known = after(Consumption(), [one for one in two if one.node in nodes], *answers, spec=spec)

    found = missing_consumers.queue_mismatch(two, known, spec_queues=spec)

    assert (found and (found.consumed, found.unserved, found.unnamed)) == want


def test_a_difference_is_told_with_both_lists() -> None:
    one = [worker("a")]
    known = after(Consumption(), one, seen("a", MAIL, ORDERS))
    found = missing_consumers.queue_mismatch(one, known, spec_queues=(MAIL, QueueName("orderz")))
    assert found is not None
    message = findings.queues_differ(found).message
    assert message.startswith("workers consume mail, orders; spec.queues names mail, orderz: ")
    assert "no worker consumes orderz" in message
    assert "orders is not in spec.queues" in message


def record(name: str, *, asked_s_ago: float, **known: Any) -> tuple[NodeName, WorkerRecord]:
    at_s = NOW_S - asked_s_ago
    usual = WorkerRecord(asked_at_s=at_s, seen=seen(name, MAIL, at_s=at_s))
    return NodeName(f"w@{name}"), replace(usual, **known)


@pytest.mark.parametrize(
    ("there", "known", "has_waiting", "is_asked"),
    [
        pytest.param(worker("a"), None, False, True, id="never asked"),
        pytest.param(
            worker("a", connected_at_s=NOW_S - 2.0), None, False, False, id="it comes up just now"
        ),
        pytest.param(worker("a"), {"asked_s_ago": 60.0}, False, False, id="asked lately"),
        pytest.param(
            worker("a", connected_at_s=NOW_S - 10.0),
            {"asked_s_ago": 60.0},
            False,
            True,
            id="it has connected anew since",
        ),
        pytest.param(
            worker("a", is_idle=True), {"asked_s_ago": 30.0}, True, True, id="idle beside messages"
        ),
        pytest.param(
            worker("a", is_idle=True), {"asked_s_ago": 29.0}, True, False, id="asked just now"
        ),
        pytest.param(worker("a"), {"asked_s_ago": 30.0}, True, False, id="it runs tasks"),
        pytest.param(
            worker("a"),
            {"asked_s_ago": 2.0, "lacking_since_s": NOW_S - 2.0},
            False,
            True,
            id="it was seen without consumers",
        ),
        pytest.param(
            worker("a"),
            {"asked_s_ago": 9.0, "lacking_since_s": NOW_S - 600.0},
            False,
            False,
            id="it has been without for long",
        ),
        pytest.param(
            worker("a", is_idle=True),
            {"asked_s_ago": 60.0, "unanswered": 5, "seen": None},
            True,
            False,
            id="it does not answer",
        ),
        pytest.param(
            worker("a"),
            {"asked_s_ago": 600.0, "unanswered": 2000, "seen": None},
            False,
            True,
            id="it has not answered for long",
        ),
    ],
)
def test_a_worker_is_asked_when_there_is_a_reason(
    there: AwakeWorker, known: dict[str, Any] | None, *, has_waiting: bool, is_asked: bool
) -> None:
    records = dict([record("a", **known)]) if known is not None else {}
    before = Consumption(records=records, routine_at_s=NOW_S)

    asked = worker_queries.next_query([there], before, has_waiting=has_waiting, now_s=NOW_S)

    assert asked == ConsumerQuery(nodes=(there.node,) if is_asked else ())


def test_few_are_asked_at_once_and_all_in_turn() -> None:
    many = [worker(f"{number:03}", is_idle=True) for number in range(100)]
    known, now_s, asked_at_once = Consumption(), NOW_S, []
    for _ in range(5):
        asked = worker_queries.next_query(many, known, has_waiting=True, now_s=now_s)
        asked_at_once.append(len(asked.nodes))
        answers = {node: seen(node.removeprefix("w@"), MAIL, at_s=now_s) for node in asked.nodes}
        known = consumption.with_answers(
            known, many, asked.nodes, answers, spec_queues=(MAIL,), now_s=now_s
        )
        now_s += 2.0
    assert asked_at_once == [worker_queries.AT_ONCE] * 5
    assert len(known.records) == 100


def test_without_a_reason_a_few_are_asked_now_and_then() -> None:
    many = [worker(str(number)) for number in range(9)]
    records = dict(record(str(number), asked_s_ago=300.0 + number) for number in range(9))

    asked = worker_queries.next_query(
        many, Consumption(records=records), has_waiting=False, now_s=NOW_S
    )
    assert asked == ConsumerQuery(
        nodes=tuple(NodeName(f"w@{name}") for name in "876"), is_routine=True
    )

    paused = Consumption(records=records, routine_at_s=NOW_S - 9.0)
    assert (
        worker_queries.next_query(many, paused, has_waiting=False, now_s=NOW_S) == ConsumerQuery()
    )
