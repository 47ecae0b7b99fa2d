"""Every rule has its sentence, and a decision reads as a text."""

from dataclasses import replace

import pytest

from app.scaling import decision, steps
from app.scaling.demand import Estimate, FadingSums
from app.scaling.sizing_inputs import (
    Behavior,
    Fallback,
    Override,
    PolicyType,
    PoolReading,
    RatePolicy,
    ScalingPolicy,
    ScalingRules,
)
from app.scaling.steps import Rule, Step
from tests.unit.scaling.builders import NOW_S, policy, reading, remembered

SUMS = FadingSums(time_s=60.0, arrived=15.0, ended=60.0, busy_s=120.0)
KNOWN = remembered(estimate=Estimate(stable=SUMS, burst=SUMS, ended_runtime_s=2.0))
WINDOW = Behavior(scale_down=ScalingRules(stabilization_window_s=30.0))
ONE_A_MINUTE = Behavior(
    scale_up=ScalingRules(policies=(RatePolicy(type=PolicyType.PODS, value=1, period_s=60.0),))
)


@pytest.mark.parametrize(
    ("seen", "wanted", "want"),
    [
        pytest.param(
            reading(replicas=2, ready=120, active=2, unacked=3),
            policy(),
            (
                "120 waiting, 2 running, 0.25/s arriving, 2 s each: 7.62 slots needed, "
                "8 replicas of 1 slot",
            ),
            id="with run times",
        ),
        pytest.param(
            reading(replicas=6, active=1, unacked=3),
            policy(behavior=WINDOW, slots_per_replica=2),
            (
                "0 waiting, 1 running, 2 prefetched, 0.25/s arriving, 2 s each: 1 slot needed, "
                "1 replica of 2 slots",
                "Stabilized at 6 replicas, the highest demand of the last 30 s (now 1)",
            ),
            id="with held messages",
        ),
        pytest.param(
            reading(ready=None),
            policy(fallback=Fallback(failure_threshold=1)),
            (
                "The queues cannot be read (attempt 1): "
                "the fallback currentReplicas sets 0 replicas",
            ),
            id="fallback",
        ),
        pytest.param(
            reading(replicas=2),
            policy(override=Override(replicas=5)),
            ("Fixed at 5 replicas by hand",),
            id="fixed",
        ),
        pytest.param(
            reading(replicas=2),
            policy(),
            ("Idle: nothing waits or runs",),
            id="idle",
        ),
    ],
)
def test_a_decision_reads_as_text(
    seen: PoolReading, wanted: ScalingPolicy, want: tuple[str, ...]
) -> None:
    outcome = decision.decide(seen, policy=wanted, memory=KNOWN, now_s=NOW_S)

    assert steps.sentences(outcome.decision) == want


def test_each_step_adds_a_sentence() -> None:
    wanted = policy(
        max_replicas=3, behavior=ONE_A_MINUTE, schedules=("night", "weekend"), min_replicas=3
    )
    outcome = decision.decide(
        reading(replicas=1, ready=8, active=1), policy=wanted, memory=remembered(), now_s=NOW_S
    )

    assert steps.sentences(outcome.decision) == (
        "8 waiting, 1 running, run time not known yet: 9 slots needed, 9 replicas of 1 slot",
        "A rate policy allows 2 replicas now, 9 needed",
        "minReplicas is 3 (schedule night, weekend), 2 needed",
    )


FIGURES: dict[Rule, tuple[tuple[str, float | int | str | None], ...]] = {
    Rule.TOLERANCE: (("ratio", 1.05), ("tolerance", 0.1)),
    Rule.ACTIVATION: (("waiting", 1), ("threshold", 2)),
    Rule.COOLDOWN: (("left_s", 12.34),),
    Rule.HELD_MESSAGES: (("held", 2), ("scheduled", None)),
    Rule.SCHEDULED_MESSAGES: (("scheduled", 40),),
    Rule.STABILIZATION: (("recommended", 2), ("side", "highest"), ("window_s", 300.0)),
    Rule.LATE: (("age_s", 45.0), ("target_s", 30.0)),
    Rule.BURST: (("left_s", 5.0),),
    Rule.BUSY: (("running", 7),),
    Rule.RATE: (("wanted", 9),),
    Rule.MINIMUM: (("wanted", 0), ("schedules", "")),
    Rule.MAXIMUM: (("wanted", 9), ("schedules", "")),
    Rule.GROWING_PAUSED: (("wanted", 9),),
    Rule.SHRINKING_PAUSED: (("wanted", 1),),
    Rule.BLIND: (("failures", 2),),
    Rule.FALLBACK: (("failures", 3), ("behavior", "static")),
    Rule.DEMAND: (
        ("waiting", 1),
        ("running", 0),
        ("held", 0),
        ("slots", 1.0),
        ("slots_per_replica", 1),
        ("arrival_rate", None),
        ("runtime_s", None),
    ),
}


@pytest.mark.parametrize("rule", list(Rule))
def test_every_rule_has_a_sentence(rule: Rule) -> None:
    text = steps.sentence(Step(rule=rule, replicas=4, figures=FIGURES.get(rule, ())))

    assert text
    assert "{" not in text


def test_unknown_figures_are_named_so() -> None:
    step = Step(rule=Rule.HELD_MESSAGES, replicas=1, figures=FIGURES[Rule.HELD_MESSAGES])

    assert "an unknown number with an ETA" in steps.sentence(step)
    assert "2 with an ETA" in steps.sentence(replace(step, figures=(("held", 2), ("scheduled", 2))))


def idle(running: int) -> Step:
    figures = {
        **dict(FIGURES[Rule.DEMAND]),
        **{"waiting": 0, "running": running, "slots": 0.0, "arrival_rate": 0.0, "runtime_s": 0.8},
    }
    return Step(rule=Rule.DEMAND, replicas=0, figures=tuple(figures.items()))


def test_a_pool_with_nothing_new_says_so_in_words() -> None:
    """Issue 9: "2 running, 0/s arriving: 0 slots, 0 replicas" told nobody what happens next."""
    assert steps.sentence(idle(0)) == "Idle: nothing waits or runs"
    assert steps.sentence(idle(1)) == (
        "Nothing arrives; 1 running task finishes before its replica goes"
    )
    assert steps.sentence(idle(2)) == (
        "Nothing arrives; 2 running tasks finish before their replicas go"
    )
