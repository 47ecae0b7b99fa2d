"""Every sentence that a decision can explain itself with, for a table of situations."""

from dataclasses import dataclass, field

import pytest

from app.scaling import decision, steps
from app.scaling.behavior import Point, ScaleHistory
from app.scaling.demand import Estimate, FadingSums
from app.scaling.situation import SizingMemory
from app.scaling.sizing_inputs import (
    BacklogPerReplica,
    Behavior,
    Fallback,
    FallbackBehavior,
    Override,
    PolicyType,
    PoolReading,
    RatePolicy,
    ScalingPolicy,
    ScalingRules,
)
from app.scaling.steps import Rule
from tests.unit.scaling.builders import NOW_S, policy, reading, remembered


def estimate(*, per_s: float, runtime_s: float | None) -> Estimate:
    sums = FadingSums(time_s=100.0, arrived=100.0 * per_s)
    return Estimate(stable=sums, burst=sums, ended_runtime_s=runtime_s)


BUSY = remembered(estimate=estimate(per_s=0.25, runtime_s=2.0))
QUIET = remembered(estimate=estimate(per_s=0.0, runtime_s=2.0))
ONE_A_MINUTE = Behavior(
    scale_up=ScalingRules(policies=(RatePolicy(type=PolicyType.PODS, value=1, period_s=60.0),))
)
WINDOW = Behavior(scale_down=ScalingRules(stabilization_window_s=30.0))
TOLERANT = Behavior(scale_down=ScalingRules(tolerance_ratio=0.1))
FIVE_LATELY = ScaleHistory(highs=(Point(at_s=NOW_S - 5.0, replicas=5),))


@dataclass(frozen=True, kw_only=True)
class Case:
    seen: PoolReading
    want: tuple[str, ...]
    wanted: ScalingPolicy = field(default_factory=policy)
    memory: SizingMemory = BUSY


IDLE = "Idle: nothing waits or runs"

CASES = {
    "idle": Case(seen=reading(), want=(IDLE,)),
    "idle, with a minimum": Case(
        seen=reading(),
        wanted=policy(min_replicas=1),
        want=(IDLE, "minReplicas is 1, 0 needed"),
    ),
    "a queue, run times known": Case(
        seen=reading(replicas=2, ready=120, active=2, unacked=2),
        want=(
            "120 waiting, 2 running, 0.25/s arriving, 2 s each: 7.62 slots needed, "
            "8 replicas of 1 slot",
        ),
    ),
    "a queue, run times unknown": Case(
        seen=reading(ready=8),
        memory=remembered(),
        want=(
            "8 waiting, 0 running, run time not known yet: 8 slots needed, 8 replicas of 1 slot",
        ),
    ),
    "one message, several slots": Case(
        seen=reading(ready=1),
        wanted=policy(slots_per_replica=4),
        memory=remembered(),
        want=("1 waiting, 0 running, run time not known yet: 1 slot needed, 1 replica of 4 slots",),
    ),
    "prefetched messages": Case(
        seen=reading(replicas=6, active=1, unacked=3),
        want=(
            "0 waiting, 1 running, 2 prefetched, 0.25/s arriving, 2 s each: 1 slot needed, "
            "1 replica of 1 slot",
        ),
    ),
    "a backlog for each replica": Case(
        seen=reading(ready=10),
        wanted=policy(target=BacklogPerReplica(messages=5)),
        want=(
            "10 waiting, 0 running, 0.25/s arriving, 2 s each: 2 slots needed, "
            "2 replicas of 1 slot",
        ),
    ),
    "one task left": Case(
        seen=reading(replicas=3, active=1, unacked=1),
        memory=QUIET,
        want=(
            "Nothing arrives; 1 running task finishes before its replica goes",
            "Not reduced below 1 replica because of 1 running task",
        ),
    ),
    "two tasks left": Case(
        seen=reading(replicas=3, active=2, unacked=2),
        memory=QUIET,
        want=(
            "Nothing arrives; 2 running tasks finish before their replicas go",
            "Not reduced below 2 replicas because of 2 running tasks",
        ),
    ),
    "few messages beside running tasks": Case(
        seen=reading(replicas=2, ready=3, active=2, unacked=2),
        memory=QUIET,
        want=(
            "Nothing arrives; the slots of 2 running tasks free up in time for 3 waiting",
            "Not reduced below 2 replicas because of 2 running tasks",
        ),
    ),
    "within tolerance": Case(
        seen=reading(replicas=20, ready=0, active=19, unacked=19),
        wanted=policy(behavior=TOLERANT),
        memory=remembered(),
        want=(
            "0 waiting, 19 running, run time not known yet: 19 slots needed, 19 replicas of 1 slot",
            "The demand is within 10% of the current size, 20 replicas",
        ),
    ),
    "below the activation threshold": Case(
        seen=reading(ready=1),
        wanted=policy(activation_depth=5),
        memory=remembered(),
        want=(
            "1 waiting, 0 running, run time not known yet: 1 slot needed, 1 replica of 1 slot",
            "The pool stays at zero until more than 5 messages wait",
        ),
    ),
    "cooldown": Case(
        seen=reading(replicas=1),
        wanted=policy(cooldown_s=60.0),
        memory=remembered(active_at_s=NOW_S - 20.0),
        want=(IDLE, "The last replica stays for another 40 s (cooldown)"),
    ),
    "one unacknowledged message": Case(
        seen=reading(replicas=1, unacked=1, scheduled=1),
        want=(
            IDLE,
            "One replica stays for 1 unacknowledged message (1 with an ETA) that no worker runs",
        ),
    ),
    "an unknown number of unacknowledged messages": Case(
        seen=reading(replicas=1, unacked=None, scheduled=None),
        want=(
            IDLE,
            "One replica stays for an unknown number of unacknowledged messages (an unknown number "
            "with an ETA) that no worker runs",
        ),
    ),
    "messages with an ETA": Case(
        seen=reading(ready=40, ready_scheduled=40),
        want=(IDLE, "One replica stays for 40 messages with an ETA"),
    ),
    "forced active": Case(
        seen=reading(),
        wanted=policy(override=Override(is_activated=True)),
        want=(IDLE, "The annotation celeriac.dev/force-activation keeps one replica"),
    ),
    "stabilized": Case(
        seen=reading(replicas=5),
        wanted=policy(behavior=WINDOW),
        memory=remembered(replicas=5, history=FIVE_LATELY),
        want=(IDLE, "Stabilized at 5 replicas, the highest demand of the last 30 s (now 0)"),
    ),
    "late": Case(
        seen=reading(replicas=3, ready=1, oldest_age_s=45.0),
        want=(
            "1 waiting, 0 running, 0.25/s arriving, 2 s each: 1 slot needed, 1 replica of 1 slot",
            "Not reduced: the oldest message has waited 45 s, the target is 30 s",
        ),
    ),
    "after a burst": Case(
        seen=reading(replicas=3),
        memory=remembered(burst_until_s=NOW_S + 12.0),
        want=(IDLE, "Not reduced for another 12 s after a burst"),
    ),
    "no heartbeats yet": Case(
        seen=reading(replicas=3, active=None),
        want=(IDLE, "Not reduced: the worker heartbeats are not known yet"),
    ),
    "rate policy": Case(
        seen=reading(replicas=1, ready=8, active=1, unacked=1),
        wanted=policy(behavior=ONE_A_MINUTE),
        memory=remembered(),
        want=(
            "8 waiting, 1 running, run time not known yet: 9 slots needed, 9 replicas of 1 slot",
            "A rate policy allows 2 replicas now, 9 needed",
        ),
    ),
    "maximum by a schedule": Case(
        seen=reading(ready=8),
        wanted=policy(max_replicas=4, schedules=("night",)),
        memory=remembered(),
        want=(
            "8 waiting, 0 running, run time not known yet: 8 slots needed, 8 replicas of 1 slot",
            "maxReplicas is 4 (schedule night), 8 needed",
        ),
    ),
    "growing paused": Case(
        seen=reading(replicas=1, ready=2, active=1, unacked=1),
        wanted=policy(override=Override(is_growing_paused=True)),
        memory=remembered(),
        want=(
            "2 waiting, 1 running, run time not known yet: 3 slots needed, 3 replicas of 1 slot",
            "Growing is paused: the pool stays at 1 replica, 3 needed",
        ),
    ),
    "shrinking paused": Case(
        seen=reading(replicas=3),
        wanted=policy(override=Override(is_shrinking_paused=True)),
        want=(IDLE, "Shrinking is paused: the pool stays at 3 replicas, 0 needed"),
    ),
    "paused": Case(
        seen=reading(replicas=3),
        wanted=policy(override=Override(is_paused=True)),
        want=("Paused at 3 replicas",),
    ),
    "fixed": Case(
        seen=reading(replicas=3),
        wanted=policy(override=Override(replicas=1)),
        want=("Fixed at 1 replica by hand",),
    ),
    "queues not read": Case(
        seen=reading(replicas=3, ready=None),
        want=("The queues cannot be read (attempt 1): the pool stays at 3 replicas",),
    ),
    "fallback": Case(
        seen=reading(replicas=3, ready=None),
        wanted=policy(
            fallback=Fallback(failure_threshold=1, behavior=FallbackBehavior.STATIC, replicas=5)
        ),
        want=("The queues cannot be read (attempt 1): the fallback static sets 5 replicas",),
    ),
}


def explained(case: Case) -> decision.SizingOutcome:
    return decision.decide(case.seen, policy=case.wanted, memory=case.memory, now_s=NOW_S)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_decision_explains_itself(case: Case) -> None:
    said = steps.sentences(explained(case).decision)

    print("\n".join(said))  # noqa: T201  # `pytest -rP` shows the whole table
    assert said == case.want


def test_every_rule_has_a_case() -> None:
    rules = {step.rule for case in CASES.values() for step in explained(case).decision.steps}

    assert rules == set(Rule)
