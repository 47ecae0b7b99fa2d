"""Stabilisation windows and rate policies, exactly as the HorizontalPodAutoscaler (v2) has them.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#configurable-scaling-behavior
Two things go further than it: a pool may grow from zero whatever its policies say (the HPA never
sees zero), and no policies at all mean no limit.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.scaling.sizing_inputs import Behavior, PolicyType, RatePolicy, ScalingRules, SelectPolicy

MOST_POINTS = 128
"""Points kept for each purpose; beyond it the oldest ones are merged, to the careful side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A size that was recommended, or a change that happened (then signed)."""

    at_s: float
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleHistory:
    """What stabilisation and policies look back on. Bounded."""

    lows: tuple[Point, ...] = ()
    """Recommendations that may still be the lowest of the scale-up window, rising."""
    highs: tuple[Point, ...] = ()
    """Recommendations that may still be the highest of the scale-down window, falling."""
    changes: tuple[Point, ...] = ()
    """Changes that a policy may still count."""


def with_recommendation(
    history: ScaleHistory, replicas: int, *, behavior: Behavior, now_s: float
) -> ScaleHistory:
    """Remember a recommendation, forget what no window can ask for again."""
    point = Point(at_s=now_s, replicas=replicas)
    up_from_s = now_s - behavior.scale_up.stabilization_window_s
    down_from_s = now_s - behavior.scale_down.stabilization_window_s
    lows = [old for old in history.lows if old.at_s > up_from_s and old.replicas < replicas]
    highs = [old for old in history.highs if old.at_s > down_from_s and old.replicas > replicas]
    return ScaleHistory(
        lows=_bounded((*lows, point), _careful),
        highs=_bounded((*highs, point), _careful),
        changes=history.changes,
    )


def with_change(
    history: ScaleHistory, delta: int, *, behavior: Behavior, now_s: float
) -> ScaleHistory:
    """Remember that the size has changed by `delta`, for the policies to count."""
    policies = (*behavior.scale_up.policies, *behavior.scale_down.policies)
    from_s = now_s - max((policy.period_s for policy in policies), default=0.0)
    kept = [old for old in history.changes if old.at_s > from_s]
    if delta and policies:
        kept.append(Point(at_s=now_s, replicas=delta))
    return ScaleHistory(lows=history.lows, highs=history.highs, changes=_bounded(kept, _summed))


def stabilized(
    replicas: int, *, current: int, history: ScaleHistory, behavior: Behavior, now_s: float
) -> int:
    """The most careful recommendation of each window: lowest for growing, highest for shrinking."""
    lowest = _within(history.lows, behavior.scale_up, now_s=now_s)
    highest = _within(history.highs, behavior.scale_down, now_s=now_s)
    up = min((replicas, *lowest))
    down = max((replicas, *highest))
    return min(max(current, up), down)


def rate_limited(
    replicas: int, *, current: int, history: ScaleHistory, behavior: Behavior, now_s: float
) -> int:
    """As close to `replicas` as the policies allow within their periods."""
    grows = replicas > current
    rules = behavior.scale_up if grows else behavior.scale_down
    if replicas == current or rules.select_policy is SelectPolicy.DISABLED:
        return current
    if not rules.policies:
        return replicas
    limit = _limit(current, rules, history, now_s=now_s, sign=1 if grows else -1)
    return min(replicas, max(limit, current, 1)) if grows else max(replicas, min(limit, current))


def _limit(
    current: int, rules: ScalingRules, history: ScaleHistory, *, now_s: float, sign: int
) -> int:
    """The furthest size that the rules allow in the direction of `sign`."""
    proposals = [
        _proposal(current, policy, history, now_s=now_s, sign=sign) for policy in rules.policies
    ]
    takes_furthest = rules.select_policy is SelectPolicy.MAX
    return max(proposals) if takes_furthest == (sign > 0) else min(proposals)


def _proposal(
    current: int, policy: RatePolicy, history: ScaleHistory, *, now_s: float, sign: int
) -> int:
    recent = (old.replicas for old in history.changes if old.at_s > now_s - policy.period_s)
    at_start = current - sum(recent)
    if policy.type is PolicyType.PODS:
        return at_start + sign * policy.value
    if sign > 0:
        return math.ceil(at_start * (100 + policy.value) / 100)
    return math.trunc(at_start * (100 - policy.value) / 100)


def _within(points: Iterable[Point], rules: ScalingRules, *, now_s: float) -> Iterable[int]:
    from_s = now_s - rules.stabilization_window_s
    return (point.replicas for point in points if point.at_s > from_s)


def _bounded(points: Iterable[Point], merged: Callable[[Point, Point], Point]) -> tuple[Point, ...]:
    kept = tuple(points)
    while len(kept) > MOST_POINTS:
        kept = (merged(kept[0], kept[1]), *kept[2:])
    return kept


def _careful(older: Point, newer: Point) -> Point:
    """Lows rise and highs fall: the older size, kept for longer, is the careful one of both."""
    return Point(at_s=newer.at_s, replicas=older.replicas)


def _summed(older: Point, newer: Point) -> Point:
    return Point(at_s=newer.at_s, replicas=older.replicas + newer.replicas)
