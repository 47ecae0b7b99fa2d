"""How many slots work needs."""

import math

import pytest

from app.scaling import demand
from app.scaling.demand import Demand, Workload
from app.scaling.sizing_inputs import BacklogPerReplica, PoolReading, QueueWait, SizingTarget
from tests.unit.scaling.builders import policy, reading


def erlang_c(slots: int, load: float) -> float:
    """Probability to wait, straight from the definition (A. K. Erlang, 1917)."""
    term, total = 1.0, 1.0
    for k in range(1, slots):
        term *= load / k
        total += term
    queued = term * load / slots * slots / (slots - load)
    return queued / (total + queued)


@pytest.mark.parametrize(
    ("seen", "slots", "orphaned", "want"),
    [
        pytest.param(
            reading(ready=4, due_soon=2),
            1,
            0,
            Workload(waiting=6, running=0, held=0),
            id="tasks whose time is about to come count as waiting",
        ),
        pytest.param(
            reading(ready=0, unacked=5, active=2),
            8,
            0,
            Workload(waiting=0, running=2, held=3),
            id="what was fetched and is not running yet is held",
        ),
        pytest.param(
            reading(ready=0, unacked=9, active=2),
            4,
            0,
            Workload(waiting=0, running=2, held=2),
            id="prefetched messages hold slots and never add one",
        ),
        pytest.param(
            reading(ready=0, unacked=9, scheduled=7, active=2),
            9,
            0,
            Workload(waiting=0, running=2, held=0),
            id="ETA tasks far ahead need no slot",
        ),
        pytest.param(
            reading(ready=9, ready_scheduled=7, ready_due_soon=2),
            9,
            0,
            Workload(waiting=4, running=0, held=0),
            id="nor do those that no worker has fetched, until their time is about to come",
        ),
        pytest.param(
            reading(ready=3, ready_scheduled=7),
            9,
            0,
            Workload(waiting=0, running=0, held=0),
            id="no fewer than none wait",
        ),
        pytest.param(
            reading(ready=0, unacked=9, active=2),
            9,
            7,
            Workload(waiting=0, running=2, held=0),
            id="what nobody alive holds needs no slot",
        ),
        pytest.param(
            reading(ready=3, unacked=None, active=None),
            9,
            0,
            Workload(waiting=3, running=0, held=0),
            id="what is not known adds nothing",
        ),
    ],
)
def test_work_sorts_what_is_there(
    seen: PoolReading, slots: int, orphaned: int, want: Workload
) -> None:
    assert demand.workload(seen, orphaned=orphaned, slots=slots) == want


@pytest.mark.parametrize("load", [0.05, 0.5, 3.0, 10.0, 60.0, 250.0])
@pytest.mark.parametrize(("wait_s", "runtime_s"), [(30.0, 0.2), (30.0, 20.0), (5.0, 60.0)])
def test_steady_slots_are_the_fewest_that_keep_the_target(
    load: float, wait_s: float, runtime_s: float
) -> None:

    slots = round(demand.steady_slots(load, wait_s=wait_s, runtime_s=runtime_s))

    def late(count: int) -> float:
        if count <= load:
            return 1.0
        return erlang_c(count, load) * math.exp(-(count - load) * wait_s / runtime_s)

    assert late(slots) <= demand.LATE_SHARE < late(slots - 1)


def test_steady_slots_follow_the_square_root_rule_for_large_loads() -> None:
    exact = demand.steady_slots(400.0, wait_s=1.0, runtime_s=60.0)

    assert demand.steady_slots(401.0, wait_s=1.0, runtime_s=60.0) == pytest.approx(exact, abs=16)


def test_no_load_needs_no_slot() -> None:
    assert demand.steady_slots(0.0, wait_s=30.0, runtime_s=1.0) == 0.0


@pytest.mark.parametrize(
    ("work", "wait_s", "runtime_s", "want"),
    [
        pytest.param(
            Workload(waiting=40, running=0, held=0),
            30.0,
            60.0,
            40.0,
            id="long tasks: one slot each",
        ),
        pytest.param(
            Workload(waiting=40, running=0, held=0), 30.0, 10.0, 10.0, id="four turns in the target"
        ),
        pytest.param(
            Workload(waiting=40, running=4, held=0), 30.0, 10.0, 11.0, id="busy slots come free"
        ),
        pytest.param(
            Workload(waiting=6, running=2, held=0), 30.0, 10.0, 0.0, id="what is there is enough"
        ),
        pytest.param(
            Workload(waiting=5, running=2, held=5),
            30.0,
            10.0,
            3.0,
            id="what is held is yet to start",
        ),
    ],
)
def test_backlog_slots_start_all_in_time(
    work: Workload, wait_s: float, runtime_s: float, want: float
) -> None:
    assert demand.backlog_slots(work, wait_s=wait_s, runtime_s=runtime_s) == want


@pytest.mark.parametrize(
    ("target", "runtime_s", "rate", "work", "want"),
    [
        pytest.param(
            QueueWait(wait_s=30.0),
            None,
            None,
            Workload(waiting=5, running=2, held=1),
            Demand(slots=8.0, steady=0.0, backlog=8.0, replicas=4.0),
            id="without run times every task gets a slot",
        ),
        pytest.param(
            QueueWait(wait_s=30.0),
            60.0,
            1.0,
            Workload(waiting=0, running=3, held=0),
            Demand(slots=3.0, steady=65.0, backlog=0.0, replicas=1.5),
            id="no more slots than tasks, whatever the rate promises",
        ),
        pytest.param(
            QueueWait(wait_s=30.0),
            0.1,
            None,
            Workload(waiting=100, running=0, held=0),
            Demand(slots=100 / 301, steady=0.0, backlog=100 / 301, replicas=50 / 301),
            id="many short tasks need a fraction of a replica",
        ),
        pytest.param(
            BacklogPerReplica(messages=5),
            60.0,
            1.0,
            Workload(waiting=8, running=3, held=0),
            Demand(slots=4.4, steady=0.0, backlog=4.4, replicas=2.2),
            id="a replica for each share of the backlog",
        ),
        pytest.param(
            BacklogPerReplica(messages=50),
            None,
            None,
            Workload(waiting=0, running=5, held=0),
            Demand(slots=6.0, steady=0.0, backlog=6.0, replicas=3.0),
            id="a large share does not crowd running tasks out",
        ),
    ],
)
def test_demand_takes_the_larger_need(
    target: SizingTarget, runtime_s: float | None, rate: float | None, work: Workload, want: Demand
) -> None:
    got = demand.demand(
        work,
        policy=policy(target=target),
        slots_per_replica=2,
        arrival_rate=rate,
        runtime_s=runtime_s,
    )

    assert got == want
