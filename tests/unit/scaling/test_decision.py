"""One decision: which rule speaks, and what it comes to."""

from dataclasses import replace

import pytest

from app.scaling import decision
from app.scaling.behavior import History, Point
from app.scaling.demand import Estimate, FadingSums
from app.scaling.inputs import (
    BacklogPerReplica,
    Behavior,
    Fallback,
    FallbackBehavior,
    Override,
    PolicyType,
    PoolReading,
    QueueWait,
    RatePolicy,
    ScalingPolicy,
    ScalingRules,
)
from app.scaling.situation import SizingMemory
from app.scaling.steps import Rule
from tests.unit.scaling.builders import NOW_S, node, policy, reading, remembered


def decided(seen: PoolReading, wanted: ScalingPolicy, memory: SizingMemory) -> tuple[int, Rule]:
    outcome = decision.decide(seen, policy=wanted, memory=memory, now_s=NOW_S)
    assert outcome.decision.steps[-1].replicas == outcome.decision.replicas
    return outcome.decision.replicas, outcome.decision.reason


@pytest.mark.parametrize(
    ("seen", "wanted", "want"),
    [
        pytest.param(reading(ready=7), policy(), (7, Rule.DEMAND), id="a slot for each message"),
        pytest.param(
            reading(ready=7), policy(slots_per_replica=4), (2, Rule.DEMAND), id="begun ones count"
        ),
        pytest.param(
            reading(ready=7, slots_per_replica=4),
            policy(slots_per_replica=None),
            (2, Rule.DEMAND),
            id="the workers say how many slots they have",
        ),
        pytest.param(
            reading(ready=7),
            policy(slots_per_replica=None),
            (7, Rule.DEMAND),
            id="one slot until anybody has said so",
        ),
        pytest.param(
            reading(ready=12), policy(target=BacklogPerReplica(messages=5)), (3, Rule.DEMAND)
        ),
        pytest.param(
            reading(replicas=4, active=1, unacked=1),
            policy(),
            (1, Rule.DEMAND),
            id="idle replicas go",
        ),
        pytest.param(reading(), policy(), (0, Rule.DEMAND), id="no work, no replicas"),
        pytest.param(reading(ready=99), policy(), (32, Rule.MAXIMUM), id="never above maximum"),
        pytest.param(reading(), policy(min_replicas=2), (2, Rule.MINIMUM), id="nor below minimum"),
        pytest.param(
            reading(replicas=40, active=40, unacked=40),
            policy(),
            (32, Rule.MAXIMUM),
            id="the maximum stands above busy replicas: those drain",
        ),
        pytest.param(
            reading(ready=3),
            policy(min_replicas=4, max_replicas=2, schedules=("night",)),
            (2, Rule.MAXIMUM),
            id="where schedules contradict each other the maximum wins",
        ),
        pytest.param(
            reading(ready=2), policy(activation_depth=2), (0, Rule.ACTIVATION), id="not enough"
        ),
        pytest.param(
            reading(ready=3), policy(activation_depth=2), (3, Rule.DEMAND), id="enough to start"
        ),
        pytest.param(
            reading(replicas=3, ready=1, active=1, unacked=1),
            policy(activation_depth=5),
            (2, Rule.DEMAND),
            id="a pool that runs does not ask for the threshold",
        ),
        pytest.param(
            reading(unacked=3, scheduled=3),
            policy(),
            (1, Rule.HELD_MESSAGES),
            id="ETA tasks need a worker to wake them",
        ),
        pytest.param(
            reading(ready=40, ready_scheduled=40),
            policy(),
            (1, Rule.SCHEDULED_MESSAGES),
            id="ETA tasks that no worker has fetched need one replica",
        ),
        pytest.param(
            reading(ready=40, ready_scheduled=40, ready_due_soon=3),
            policy(),
            (3, Rule.DEMAND),
            id="and slots of their own when their time is about to come",
        ),
        pytest.param(
            reading(ready=5, ready_scheduled=5),
            policy(activation_depth=5),
            (0, Rule.DEMAND),
            id="a few ETA tasks do not activate a pool either",
        ),
        pytest.param(
            reading(replicas=1, ready=5, ready_scheduled=5),
            policy(activation_depth=5),
            (1, Rule.SCHEDULED_MESSAGES),
            id="but keep the replica that there is",
        ),
        pytest.param(
            reading(replicas=3, ready=9, ready_scheduled=9, unacked=1, active=1),
            policy(),
            (1, Rule.DEMAND),
            id="ETA tasks that a drained worker gave back start no other one",
        ),
        pytest.param(
            reading(replicas=2, unacked=None),
            policy(),
            (1, Rule.HELD_MESSAGES),
            id="the last replica stays while it is not known what is held",
        ),
        pytest.param(
            reading(unacked=None),
            policy(),
            (0, Rule.DEMAND),
            id="an empty pool does not grow for what is not known",
        ),
        pytest.param(
            reading(unacked=3),
            policy(),
            (1, Rule.HELD_MESSAGES),
            id="messages of a dead worker need one that brings them back",
        ),
        pytest.param(
            reading(replicas=1, draining=6, active=7, unacked=7),
            policy(slots_per_replica=4),
            (2, Rule.DEMAND),
            id="tasks of draining replicas count, packed",
        ),
        pytest.param(
            reading(),
            policy(override=Override(is_activated=True)),
            (1, Rule.FORCED_ACTIVE),
            id="forced active",
        ),
        pytest.param(
            reading(replicas=2, ready=3, active=2),
            policy(override=Override(is_activated=True)),
            (5, Rule.DEMAND),
            id="forced active says nothing to a busy pool",
        ),
        pytest.param(
            reading(replicas=5, ready=1, unacked=0, active=0, oldest_age_s=31.0),
            policy(),
            (5, Rule.LATE),
            id="nothing is lowered while the oldest message is late",
        ),
        pytest.param(
            reading(replicas=5, ready=1, oldest_age_s=30.0),
            policy(),
            (1, Rule.DEMAND),
            id="a message within its target is not late",
        ),
        pytest.param(
            reading(replicas=5, ready=1, oldest_age_s=31.0),
            policy(target=BacklogPerReplica(messages=1)),
            (1, Rule.DEMAND),
            id="without a waiting time as target nothing is late",
        ),
        pytest.param(
            reading(replicas=5, ready=9, oldest_age_s=31.0),
            policy(),
            (9, Rule.DEMAND),
            id="late messages do not hold growing back",
        ),
        pytest.param(
            reading(replicas=5, ready=1, active=None),
            policy(),
            (5, Rule.UNHEARD),
            id="nothing is lowered while workers are not heard",
        ),
        pytest.param(
            reading(replicas=10, active=10, unacked=10),
            policy(target=BacklogPerReplica(messages=100), slots_per_replica=4),
            (3, Rule.DEMAND),
            id="running tasks keep their slots, packed",
        ),
        pytest.param(
            reading(replicas=4, ready=9),
            policy(override=Override(is_growing_paused=True)),
            (4, Rule.GROWING_PAUSED),
            id="growing paused",
        ),
        pytest.param(
            reading(replicas=4, ready=1, draining=2),
            policy(override=Override(is_shrinking_paused=True)),
            (6, Rule.SHRINKING_PAUSED),
            id="shrinking paused wakes what drains",
        ),
        pytest.param(
            reading(replicas=4, draining=2),
            policy(override=Override(is_paused=True)),
            (6, Rule.PAUSED),
            id="paused holds all replicas",
        ),
        pytest.param(
            reading(replicas=4, ready=None),
            policy(override=Override(replicas=40, is_paused=True)),
            (40, Rule.FIXED),
            id="a size fixed by hand is above all, bounds too",
        ),
        pytest.param(
            reading(replicas=9, ready=10, active=0),
            policy(behavior=Behavior(scale_up=ScalingRules(tolerance_ratio=0.2))),
            (9, Rule.TOLERANCE),
            id="a little more is tolerated",
        ),
        pytest.param(
            reading(replicas=10, active=9, unacked=9),
            policy(behavior=Behavior(scale_down=ScalingRules(tolerance_ratio=0.1))),
            (10, Rule.TOLERANCE),
            id="a little less is tolerated",
        ),
        pytest.param(
            reading(replicas=10, active=8, unacked=8),
            policy(behavior=Behavior(scale_down=ScalingRules(tolerance_ratio=0.1))),
            (8, Rule.DEMAND),
            id="more than that is not",
        ),
    ],
)
def test_decide_follows_the_rules(
    seen: PoolReading, wanted: ScalingPolicy, want: tuple[int, Rule]
) -> None:
    assert decided(seen, wanted, remembered()) == want


FOUR_A_QUARTER_MINUTE = ScalingRules(
    policies=(RatePolicy(type=PolicyType.PODS, value=4, period_s=15.0),)
)
LONG_WINDOW = Behavior(scale_down=ScalingRules(stabilization_window_s=300.0))
EIGHT_LATELY = History(highs=(Point(at_s=NOW_S - 60, replicas=8),))


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
            remembered(replicas=1, history=History(lows=(Point(at_s=NOW_S - 60, replicas=2),))),
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
