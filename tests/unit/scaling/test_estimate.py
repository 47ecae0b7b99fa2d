"""Rates and run times from readings alone."""

import math
from collections.abc import Iterator

import pytest

from app.scaling import demand
from app.scaling.demand import LONGEST_GAP_S, STABLE_S, Estimate
from app.scaling.sizing_inputs import NodeSample, PoolReading
from tests.unit.scaling.builders import node, reading


def fed(readings: Iterator[tuple[float, PoolReading]]) -> Estimate:
    memory = Estimate()
    for now_s, seen in readings:
        memory = demand.with_reading(memory, seen, now_s=now_s)
    return memory


def steady(
    *, rate: float, runtime_s: float, seconds: int, from_s: float = 0.0
) -> Iterator[tuple[float, PoolReading]]:
    """Fluid arrivals on one large worker that keeps up, seen every 2 s."""
    for tick in range(0, seconds, 2):
        at_s = from_s + tick
        active = round(rate * runtime_s)
        processed = round(rate * at_s) + active
        sample = node(active=active, processed=processed, seen_at_s=at_s)
        yield at_s, reading(ready=0, unacked=active, nodes=(sample,))


@pytest.mark.parametrize(
    ("rate", "runtime_s"), [(1.0, 10.0), (20.0, 0.1), (0.5, 60.0), (50.0, 4.0)]
)
def test_rates_and_run_times_are_found(rate: float, runtime_s: float) -> None:
    found = fed(steady(rate=rate, runtime_s=runtime_s, seconds=300))

    assert found.arrival_rate == pytest.approx(rate, rel=0.05)
    assert found.burst_rate == pytest.approx(rate, rel=0.15)
    assert found.mean_runtime_s == pytest.approx(runtime_s, rel=0.15)


def test_nothing_is_known_before_anything_has_happened() -> None:
    found = fed(iter([(0.0, reading(ready=3))]))

    assert (found.arrival_rate, found.burst_rate, found.mean_runtime_s) == (None, None, None)


def test_a_growing_queue_is_arrivals() -> None:
    found = fed((at_s, reading(ready=3 * at_s)) for at_s in range(0, 60, 2))

    assert found.arrival_rate == pytest.approx(3.0)


def test_a_shrinking_queue_without_workers_is_no_negative_rate() -> None:
    found = fed(iter([(0.0, reading(ready=30)), (2.0, reading(ready=0))]))

    assert found.arrival_rate == 0.0


def test_a_burst_shows_at_once_in_the_short_rate() -> None:
    calm = [(float(at_s), reading(ready=0)) for at_s in range(0, 120, 2)]
    found = fed(iter([*calm, (120.0, reading(ready=60))]))

    assert (found.arrival_rate, found.burst_rate) == pytest.approx((0.68, 8.5), rel=0.01)


def test_a_silent_broker_changes_nothing() -> None:
    before = fed(steady(rate=1.0, runtime_s=10.0, seconds=60))

    assert demand.with_reading(before, reading(ready=None), now_s=61.0) == before


def test_a_worker_that_restarts_counts_from_zero() -> None:
    samples = [(0.0, 100), (2.0, 104), (4.0, 3)]
    found = fed(
        (at_s, reading(nodes=(node(processed=processed, seen_at_s=at_s),)))
        for at_s, processed in samples
    )

    assert found.stable.ended == pytest.approx(4 * math.exp(-2 / STABLE_S) + 3)


def test_a_long_silence_says_nothing_of_the_rate_within_it() -> None:
    late_s = LONGEST_GAP_S + 1
    found = fed(iter([(0.0, reading(ready=0)), (late_s, reading(ready=9_000))]))

    assert (found.arrival_rate, found.in_system) == (None, 9_000)


def test_slow_work_is_noticed_before_the_first_slow_task_ends() -> None:
    quick = list(steady(rate=20.0, runtime_s=0.1, seconds=120))
    processed = quick[-1][1].nodes[0].processed + 4
    stuck = [
        (at_s, reading(nodes=(node(active=4, processed=processed, seen_at_s=at_s),)))
        for at_s in (120.0, 122.0, 124.0, 126.0, 128.0, 130.0)
    ]
    found = fed(iter([*quick, *stuck]))

    assert found.mean_runtime_s is not None
    assert found.mean_runtime_s == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("before", "now", "want"),
    [
        pytest.param((node(processed=5),), (node(processed=5),), False, id="no task accepted"),
        pytest.param((node(processed=5),), (node(processed=6),), True, id="a task accepted"),
        pytest.param((), (node(processed=0),), False, id="a worker that starts"),
        pytest.param((), (node(processed=1),), True, id="a worker first heard after a task"),
    ],
)
def test_progress_is_seen_where_no_queue_shows_it(
    before: tuple[NodeSample, ...], now: tuple[NodeSample, ...], *, want: bool
) -> None:
    assert demand.has_progressed(Estimate(nodes=before), reading(nodes=now)) is want
