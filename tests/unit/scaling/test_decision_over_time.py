"""What a decision remembers: windows, cooldowns, bursts, failed readings."""

from dataclasses import replace

import pytest

from app.scaling import decision
from app.scaling.behavior import Point, ScaleHistory
from app.scaling.demand import Estimate, FadingSums
from app.scaling.situation import SizingMemory
from app.scaling.sizing_inputs import (
    Behavior,
    Fallback,
    FallbackBehavior,
    PolicyType,
    PoolReading,
    QueueWait,
    RatePolicy,
    ScalingPolicy,
    ScalingRules,
)
from app.scaling.steps import Rule
from tests.unit.scaling.builders import NOW_S, decided, node, policy, reading, remembered

FOUR_A_QUARTER_MINUTE = ScalingRules(
    policies=(RatePolicy(type=PolicyType.PODS, value=4, period_s=15.0),)
)


LONG_WINDOW = Behavior(scale_down=ScalingRules(stabilization_window_s=300.0))


EIGHT_LATELY = ScaleHistory(highs=(Point(at_s=NOW_S - 60, replicas=8),))


@pytest.mark.parametrize(
    ("seen", "wanted", "memory", "want"),
    [
        pytest.param(
            reading(ready=9),
            policy(behavior=Behavior(scale_up=FOUR_A_QUARTER_MINUTE)),
            remembered(),
            (4, Rule.RATE),
            id="a rate policy limits growing",
        ),
        pytest.param(
            reading(replicas=8, active=2, unacked=2),
            policy(behavior=LONG_WINDOW),
            remembered(history=EIGHT_LATELY),
            (8, Rule.STABILIZATION),
            id="the window's highest holds",
        ),
        pytest.param(
            reading(replicas=1, ready=5, active=1),
            policy(behavior=Behavior(scale_up=ScalingRules(stabilization_window_s=300.0))),
            remembered(
                replicas=1, history=ScaleHistory(lows=(Point(at_s=NOW_S - 60, replicas=2),))
            ),
            (2, Rule.STABILIZATION),
            id="the window's lowest holds growing back",
        ),
        pytest.param(
            reading(replicas=3),
            policy(cooldown_s=60.0),
            remembered(active_at_s=NOW_S - 59.0),
            (1, Rule.COOLDOWN),
            id="the last replica stays for the cooldown",
        ),
        pytest.param(
            reading(replicas=3),
            policy(cooldown_s=60.0),
            remembered(active_at_s=NOW_S - 60.0),
            (0, Rule.DEMAND),
            id="and goes after it",
        ),
        pytest.param(
            reading(),
            policy(cooldown_s=60.0),
            remembered(active_at_s=NOW_S - 1.0),
            (0, Rule.DEMAND),
            id="a cooldown starts nothing",
        ),
        pytest.param(
            reading(replicas=1),
            policy(cooldown_s=60.0),
            SizingMemory(),
            (1, Rule.COOLDOWN),
            id="after a restart the cooldown begins anew",
        ),
        pytest.param(
            reading(replicas=1, nodes=(node(processed=9),)),
            policy(cooldown_s=60.0),
            remembered(estimate=Estimate(nodes=(node(processed=8),))),
            (1, Rule.COOLDOWN),
            id="a task that came and went between two looks is work",
        ),
        pytest.param(
            reading(replicas=9, active=1, unacked=1),
            policy(),
            remembered(burst_until_s=NOW_S + 5.0),
            (9, Rule.BURST),
            id="nothing is lowered right after a burst",
        ),
        pytest.param(
            reading(replicas=9, active=1, unacked=1),
            policy(),
            remembered(burst_until_s=NOW_S),
            (1, Rule.DEMAND),
            id="a burst is over some time",
        ),
    ],
)
def test_decide_remembers(
    seen: PoolReading, wanted: ScalingPolicy, memory: SizingMemory, want: tuple[int, Rule]
) -> None:
    assert decided(seen, wanted, memory) == want


def test_running_tasks_keep_replicas_that_a_wrong_run_time_would_take() -> None:
    """Held by the busy rule: demand from rates may be far below what runs."""
    sums = FadingSums(time_s=60.0, arrived=6.0, ended=60.0, busy_s=0.6)
    quick = Estimate(stable=sums, burst=sums, ended_runtime_s=0.01)
    seen = reading(replicas=6, active=6, unacked=6, ready=4)

    assert decided(seen, policy(), remembered(estimate=quick)) == (6, Rule.BUSY)


def test_a_replica_that_was_added_is_not_taken_away_before_it_works() -> None:
    """Its idle slots make room for prefetched messages, which are other workers' and no reason."""
    wanted = policy(slots_per_replica=8, target=QueueWait(wait_s=1.0))
    known = remembered(estimate=Estimate(ended_runtime_s=6.0))
    full = reading(replicas=2, ready=3, unacked=21, active=16)

    assert decided(full, wanted, known) == (3, Rule.DEMAND)
    assert decided(replace(full, replicas=3), wanted, known) == (3, Rule.DEMAND)


def test_a_burst_is_answered_with_the_rate_of_the_last_seconds() -> None:
    calm = FadingSums(time_s=60.0, arrived=6.0, ended=6.0, busy_s=60.0)
    sudden = FadingSums(time_s=6.0, arrived=12.0, ended=1.0, busy_s=6.0)
    known = Estimate(stable=calm, burst=sudden, ended_runtime_s=10.0)
    seen = reading(replicas=2, active=2, unacked=2, ready=18)

    outcome = decision.decide(seen, policy=policy(), memory=remembered(estimate=known), now_s=NOW_S)

    assert outcome.memory.burst_until_s == NOW_S + 20.0
    assert outcome.decision.replicas == 20


@pytest.mark.parametrize(
    ("fallback", "failures", "want"),
    [
        pytest.param(Fallback(), 0, (4, Rule.BLIND), id="one silence holds"),
        pytest.param(Fallback(), 1, (4, Rule.BLIND), id="so does the second"),
        pytest.param(Fallback(), 2, (4, Rule.FALLBACK), id="the default goes on holding"),
        pytest.param(Fallback(behavior=FallbackBehavior.STATIC, replicas=6), 2, (6, Rule.FALLBACK)),
        pytest.param(
            Fallback(behavior=FallbackBehavior.STATIC, replicas=60),
            2,
            (32, Rule.FALLBACK),
            id="within the bounds",
        ),
        pytest.param(
            Fallback(behavior=FallbackBehavior.CURRENT_REPLICAS_IF_HIGHER, replicas=6),
            2,
            (6, Rule.FALLBACK),
        ),
        pytest.param(
            Fallback(behavior=FallbackBehavior.CURRENT_REPLICAS_IF_HIGHER, replicas=2),
            2,
            (4, Rule.FALLBACK),
        ),
        pytest.param(
            Fallback(behavior=FallbackBehavior.CURRENT_REPLICAS_IF_LOWER, replicas=6),
            2,
            (4, Rule.FALLBACK),
        ),
        pytest.param(
            Fallback(behavior=FallbackBehavior.CURRENT_REPLICAS_IF_LOWER, replicas=2),
            2,
            (2, Rule.FALLBACK),
        ),
    ],
)
def test_a_silent_broker_is_no_empty_broker(
    fallback: Fallback, failures: int, want: tuple[int, Rule]
) -> None:
    seen = reading(replicas=4, ready=None, unacked=None, active=None)

    assert decided(seen, policy(fallback=fallback), remembered(failures=failures)) == want


def test_an_answer_ends_the_count_of_failures_and_a_silence_keeps_the_pool_active() -> None:
    silent = decision.decide(
        reading(replicas=1, ready=None),
        policy=policy(cooldown_s=60.0),
        memory=remembered(),
        now_s=NOW_S,
    )
    back = decision.decide(
        reading(replicas=1), policy=policy(cooldown_s=60.0), memory=silent.memory, now_s=NOW_S + 1
    )

    assert (silent.memory.failures, back.memory.failures) == (1, 0)
    assert back.decision.reason is Rule.COOLDOWN


def test_changes_of_others_count_for_the_policies_too() -> None:
    limited = policy(behavior=Behavior(scale_up=FOUR_A_QUARTER_MINUTE))
    memory = remembered(replicas=1)

    assert decided(reading(replicas=4, ready=20, active=4), limited, memory) == (5, Rule.RATE)


def test_abandoned_messages_are_no_demand_and_keep_one_replica() -> None:
    seen = reading(replicas=24, unacked=24, active=0)
    memory = remembered(active_at_s=NOW_S)
    for tick in range(40):
        outcome = decision.decide(
            seen, policy=policy(cooldown_s=60.0), memory=memory, now_s=NOW_S + 2 * tick
        )
        memory = outcome.memory

    assert (outcome.decision.replicas, outcome.decision.reason) == (1, Rule.HELD_MESSAGES)


def test_a_decision_says_what_every_rule_made_of_it() -> None:
    wanted = policy(max_replicas=6, behavior=Behavior(scale_up=FOUR_A_QUARTER_MINUTE))
    seen = replace(reading(ready=9), replicas=3)

    outcome = decision.decide(seen, policy=wanted, memory=remembered(), now_s=NOW_S)

    assert [(step.rule, step.replicas) for step in outcome.decision.steps] == [
        (Rule.DEMAND, 9),
        (Rule.RATE, 7),
        (Rule.MAXIMUM, 6),
    ]
    assert outcome.decision.has(Rule.RATE)
    assert not outcome.decision.has(Rule.MINIMUM)
