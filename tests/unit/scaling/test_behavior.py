"""Windows and policies, against the rules of the HorizontalPodAutoscaler."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.scaling import behavior
from app.scaling.behavior import MOST_POINTS, Point, ScaleHistory
from app.scaling.sizing_inputs import Behavior, PolicyType, RatePolicy, ScalingRules, SelectPolicy


def pods(value: int, period_s: float = 15.0) -> RatePolicy:
    return RatePolicy(type=PolicyType.PODS, value=value, period_s=period_s)


def percent(value: int, period_s: float = 15.0) -> RatePolicy:
    return RatePolicy(type=PolicyType.PERCENT, value=value, period_s=period_s)


def rules(*policies: RatePolicy, select: SelectPolicy = SelectPolicy.MAX) -> ScalingRules:
    return ScalingRules(policies=policies, select_policy=select)


@pytest.mark.parametrize(
    ("up", "current", "changes", "want"),
    [
        pytest.param(rules(), 1, (), 100, id="no policies, no limit"),
        pytest.param(rules(pods(4), percent(100)), 1, (), 5, id="HPA defaults: 1 to 5"),
        pytest.param(rules(pods(4), percent(100)), 8, (), 16, id="HPA defaults: 8 to 16"),
        pytest.param(rules(pods(4), percent(100), select=SelectPolicy.MIN), 8, (), 12, id="Min"),
        pytest.param(rules(pods(4), select=SelectPolicy.DISABLED), 8, (), 8, id="Disabled"),
        pytest.param(rules(select=SelectPolicy.DISABLED), 0, (), 0, id="Disabled, also from 0"),
        pytest.param(rules(percent(100)), 0, (), 1, id="a percentage of nothing lets one start"),
        pytest.param(rules(percent(10)), 11, (), 13, id="a percentage is rounded up"),
        pytest.param(rules(pods(4)), 8, ((-10, 3),), 9, id="what was added counts"),
        pytest.param(rules(pods(4)), 8, ((-10, 9),), 8, id="more was added than allowed"),
        pytest.param(rules(pods(4)), 8, ((-15, 3),), 12, id="at the end of its period it is over"),
        pytest.param(rules(pods(4)), 8, ((-10, -2),), 14, id="what was removed may come back"),
    ],
)
def test_growing_is_limited_by_policies(
    up: ScalingRules, current: int, changes: tuple[tuple[int, int], ...], want: int
) -> None:
    history = ScaleHistory(changes=tuple(Point(at_s=100 + at, replicas=n) for at, n in changes))

    got = behavior.rate_limited(
        100, current=current, history=history, behavior=Behavior(scale_up=up), now_s=100.0
    )

    assert got == want


@pytest.mark.parametrize(
    ("down", "current", "changes", "want"),
    [
        pytest.param(rules(), 9, (), 0, id="no policies, no limit"),
        pytest.param(rules(percent(100)), 9, (), 0, id="HPA default: all"),
        pytest.param(rules(pods(2), percent(50)), 10, (), 5, id="Max removes the most"),
        pytest.param(rules(pods(2), percent(50), select=SelectPolicy.MIN), 10, (), 8, id="Min"),
        pytest.param(rules(select=SelectPolicy.DISABLED), 9, (), 9, id="Disabled"),
        pytest.param(rules(percent(25)), 11, (), 8, id="a percentage is cut off"),
        pytest.param(rules(pods(2)), 8, ((-5, -2),), 8, id="what was removed counts"),
        pytest.param(rules(pods(2)), 8, ((-5, 3),), 3, id="what was added may go again"),
    ],
)
def test_shrinking_is_limited_by_policies(
    down: ScalingRules, current: int, changes: tuple[tuple[int, int], ...], want: int
) -> None:
    history = ScaleHistory(changes=tuple(Point(at_s=100 + at, replicas=n) for at, n in changes))

    got = behavior.rate_limited(
        0, current=current, history=history, behavior=Behavior(scale_down=down), now_s=100.0
    )

    assert got == want


def test_staying_is_never_limited() -> None:
    rule = Behavior(scale_up=rules(pods(1)), scale_down=rules(pods(1)))

    assert (
        behavior.rate_limited(4, current=4, history=ScaleHistory(), behavior=rule, now_s=0.0) == 4
    )


WINDOWS = Behavior(
    scale_up=ScalingRules(stabilization_window_s=20.0),
    scale_down=ScalingRules(stabilization_window_s=60.0),
)


def stabilized_after(past: list[tuple[float, int]], now: tuple[float, int], current: int) -> int:
    history = ScaleHistory()
    for at_s, replicas in (*past, now):
        history = behavior.with_recommendation(history, replicas, behavior=WINDOWS, now_s=at_s)
    return behavior.stabilized(
        now[1], current=current, history=history, behavior=WINDOWS, now_s=now[0]
    )


@pytest.mark.parametrize(
    ("past", "now", "current", "want"),
    [
        pytest.param([(0, 8)], (59, 3), 8, 8, id="the highest of the window holds"),
        pytest.param([(0, 8)], (60, 3), 8, 3, id="until the window has passed"),
        pytest.param([(0, 8), (10, 5)], (61, 3), 8, 5, id="then the next highest"),
        pytest.param([(45, 2)], (60, 9), 2, 2, id="growing waits for the lowest of its window"),
        pytest.param([(40, 2)], (60, 9), 2, 9, id="and goes on after it"),
        pytest.param([(45, 4)], (60, 9), 2, 4, id="as far as the window agrees"),
        pytest.param([], (60, 9), 9, 9, id="what is asked for now"),
    ],
)
def test_recommendations_are_stabilized(
    past: list[tuple[float, int]], now: tuple[float, int], current: int, want: int
) -> None:
    assert stabilized_after(past, now, current) == want


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=80),
    current=st.integers(0, 50),
    step_s=st.sampled_from([1.0, 5.0, 30.0]),
)
def test_what_is_kept_decides_as_all_recommendations_would(
    sizes: list[int], current: int, step_s: float
) -> None:
    past = [(index * step_s, size) for index, size in enumerate(sizes)]
    now_s, now = past[-1]
    ups = [size for at_s, size in past if at_s > now_s - 20.0]
    downs = [size for at_s, size in past if at_s > now_s - 60.0]
    want = min(max(current, min([now, *ups])), max([now, *downs]))

    assert stabilized_after(past[:-1], past[-1], current) == want


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 10_000), max_size=400))
def test_history_is_bounded_and_errs_to_the_careful_side(sizes: list[int]) -> None:
    long = Behavior(
        scale_up=ScalingRules(stabilization_window_s=3600.0, policies=(pods(1, 1800.0),)),
        scale_down=ScalingRules(stabilization_window_s=3600.0),
    )
    history = ScaleHistory()
    for at_s, size in enumerate(sizes):
        history = behavior.with_recommendation(history, size, behavior=long, now_s=at_s)
        history = behavior.with_change(history, size - 5_000, behavior=long, now_s=at_s)

    assert max(map(len, (history.lows, history.highs, history.changes))) <= MOST_POINTS
    assert max((point.replicas for point in history.highs), default=0) == max(sizes, default=0)
    assert min((point.replicas for point in history.lows), default=0) == min(sizes, default=0)


def test_a_long_slope_keeps_its_ends() -> None:
    long = Behavior(scale_down=ScalingRules(stabilization_window_s=3600.0))
    history = ScaleHistory()
    for at_s in range(1000):
        history = behavior.with_recommendation(history, 1000 - at_s, behavior=long, now_s=at_s)

    assert len(history.highs) == MOST_POINTS
    assert (history.highs[0].replicas, history.highs[-1].replicas) == (1000, 1)


def test_changes_that_are_too_many_are_added_up() -> None:
    limited = Behavior(scale_up=rules(pods(4, period_s=1800.0)))
    history = ScaleHistory()
    for at_s in range(MOST_POINTS + 9):
        history = behavior.with_change(history, 1, behavior=limited, now_s=at_s)

    assert len(history.changes) == MOST_POINTS
    assert history.changes[0] == Point(at_s=9.0, replicas=10)


def test_changes_are_forgotten_without_policies_and_after_their_period() -> None:
    limited = Behavior(scale_up=rules(pods(4)))
    one = behavior.with_change(ScaleHistory(), 3, behavior=limited, now_s=0.0)

    assert one.changes == (Point(at_s=0.0, replicas=3),)
    assert behavior.with_change(one, 0, behavior=limited, now_s=15.0).changes == ()
    assert behavior.with_change(ScaleHistory(), 3, behavior=Behavior(), now_s=0.0).changes == ()
