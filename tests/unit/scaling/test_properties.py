"""What holds for every decision, whatever is read."""

import json
from dataclasses import asdict, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.scaling import decision, demand
from app.scaling.behavior import MOST_POINTS
from app.scaling.situation import SizingMemory
from app.scaling.sizing_inputs import (
    BacklogPerReplica,
    Behavior,
    NodeSample,
    PolicyType,
    PoolReading,
    QueueWait,
    RatePolicy,
    ScalingPolicy,
    ScalingRules,
    SelectPolicy,
    SizingTarget,
)
from app.scaling.steps import Rule
from tests.unit.scaling.builders import NOW_S

few = st.integers(0, 12)
counts = st.integers(0, 200)
maybe_counts = st.none() | counts

SLOWEST_PERIOD_S = 60.0

rate_policies = st.builds(
    RatePolicy,
    type=st.sampled_from(PolicyType),
    value=st.integers(1, 300),
    period_s=st.sampled_from([5.0, 15.0, SLOWEST_PERIOD_S]),
)
rules = st.builds(
    ScalingRules,
    stabilization_window_s=st.sampled_from([0.0, 10.0, 60.0]),
    select_policy=st.sampled_from(SelectPolicy),
    policies=st.lists(rate_policies, max_size=2).map(tuple),
    tolerance_ratio=st.sampled_from([0.0, 0.1, 0.5]),
)
behaviors = st.builds(Behavior, scale_up=rules, scale_down=rules)


@st.composite
def policies(draw: st.DrawFn) -> ScalingPolicy:
    minimum = draw(st.integers(0, 10))
    return ScalingPolicy(
        min_replicas=minimum,
        max_replicas=minimum + draw(st.integers(0, 60)),
        slots_per_replica=draw(st.none() | st.integers(1, 8)),
        target=draw(
            st.builds(QueueWait, wait_s=st.sampled_from([1.0, 30.0]))
            | st.builds(BacklogPerReplica, messages=st.integers(1, 20))
        ),
        activation_depth=draw(st.sampled_from([0, 0, 5])),
        cooldown_s=draw(st.sampled_from([0.0, 60.0])),
        behavior=draw(behaviors),
    )


@st.composite
def readings(draw: st.DrawFn, replicas: int | None = None) -> PoolReading:
    replicas = draw(st.integers(0, 40)) if replicas is None else replicas
    active = draw(st.none() | st.integers(0, replicas * 4))
    sample = NodeSample(
        node="celery@a",
        active=active or 0,
        processed=(active or 0) + draw(counts),
        seen_at_s=NOW_S + draw(st.integers(-10, 60)),
    )
    return PoolReading(
        replicas=replicas,
        ready=draw(counts),
        ready_scheduled=draw(counts),
        ready_due_soon=draw(counts),
        unacked=draw(maybe_counts),
        scheduled=draw(maybe_counts),
        due_soon=draw(maybe_counts),
        active=active,
        oldest_age_s=draw(st.none() | st.floats(0, 90)),
        nodes=(sample,),
    )


@st.composite
def memories(draw: st.DrawFn, wanted: ScalingPolicy) -> SizingMemory:
    """A memory as it comes about: by decisions."""
    memory = SizingMemory()
    for index, seen in enumerate(draw(st.lists(readings(), max_size=4))):
        at_s = NOW_S - 20.0 + 5 * index
        memory = decision.decide(seen, policy=wanted, memory=memory, now_s=at_s).memory
    return memory


@settings(deadline=None)
@given(data=st.data(), wanted=policies())
def test_a_decision_is_within_its_bounds(data: st.DataObject, wanted: ScalingPolicy) -> None:
    seen, memory = data.draw(readings()), data.draw(memories(wanted))

    got = decision.decide(seen, policy=wanted, memory=memory, now_s=NOW_S).decision

    assert wanted.min_replicas <= got.replicas <= wanted.max_replicas


@settings(deadline=None)
@given(data=st.data(), wanted=policies())
def test_a_decision_is_not_below_the_busy(data: st.DataObject, wanted: ScalingPolicy) -> None:
    """Replicas that run tasks stay, as far as the maximum allows and there are that many."""
    seen, memory = data.draw(readings()), data.draw(memories(wanted))
    slots = wanted.slots_per_replica or 1
    busy = -(-(seen.active or 0) // slots)

    got = decision.decide(seen, policy=wanted, memory=memory, now_s=NOW_S).decision

    assert got.replicas >= min(busy, seen.replicas, wanted.max_replicas)


@settings(deadline=None)
@given(data=st.data(), wanted=policies(), more=counts)
def test_more_depth_never_lowers(data: st.DataObject, wanted: ScalingPolicy, more: int) -> None:
    seen, memory = data.draw(readings()), data.draw(memories(wanted))
    assert seen.ready is not None
    deeper = replace(seen, ready=seen.ready + more)
    # The same rates for both: what arrived is another question than what is there.
    known = memory.estimate
    memory = replace(memory, estimate=replace(known, at_s=None))

    less = decision.decide(seen, policy=wanted, memory=memory, now_s=NOW_S).decision
    greater = decision.decide(deeper, policy=wanted, memory=memory, now_s=NOW_S).decision

    assert greater.replicas >= less.replicas


@settings(deadline=None)
@given(data=st.data(), wanted=policies(), later=counts)
def test_messages_whose_time_is_far_ahead_ask_for_one_replica_at_most(
    data: st.DataObject, wanted: ScalingPolicy, later: int
) -> None:
    seen, memory = data.draw(readings()), data.draw(memories(wanted))
    assert seen.ready is not None
    more = replace(seen, ready=seen.ready + later, ready_scheduled=later, ready_due_soon=0)
    seen = replace(seen, ready_scheduled=0, ready_due_soon=0)
    # The same rates for both: what arrived is another question than what is there.
    memory = replace(memory, estimate=replace(memory.estimate, at_s=None))

    without = decision.decide(seen, policy=wanted, memory=memory, now_s=NOW_S).decision
    with_them = decision.decide(more, policy=wanted, memory=memory, now_s=NOW_S).decision

    assert without.replicas <= with_them.replicas <= max(1, without.replicas)


@settings(deadline=None)
@given(data=st.data(), wanted=policies(), failures=st.integers(0, 9))
def test_an_error_never_lowers_a_count(
    data: st.DataObject, wanted: ScalingPolicy, failures: int
) -> None:
    memory = replace(data.draw(memories(wanted)), failures=failures)
    silent = replace(data.draw(readings()), ready=None, unacked=None, active=None)

    got = decision.decide(silent, policy=wanted, memory=memory, now_s=NOW_S).decision

    assert got.replicas == silent.replicas
    assert got.reason in (Rule.BLIND, Rule.FALLBACK)


@settings(deadline=None)
@given(data=st.data(), wanted=policies())
def test_decide_is_a_function(data: st.DataObject, wanted: ScalingPolicy) -> None:
    seen, memory = data.draw(readings()), data.draw(memories(wanted))

    once = decision.decide(seen, policy=wanted, memory=memory, now_s=NOW_S)

    assert decision.decide(seen, policy=wanted, memory=memory, now_s=NOW_S) == once


@settings(deadline=None, max_examples=300)
@given(
    work=st.tuples(few, few, few),
    idle=few,
    more=few,
    target=st.sampled_from([QueueWait(wait_s=30.0), BacklogPerReplica(messages=3)]),
    runtime_s=st.sampled_from([None, 8.0, 25.0, 50.0]),
)
def test_a_larger_pool_does_not_lower_the_demand(
    work: tuple[int, int, int], idle: int, more: int, target: SizingTarget, runtime_s: float | None
) -> None:
    """Otherwise a pool grows and shrinks without end, while nothing but its size changes."""
    ready, held, active = work
    seen = PoolReading(replicas=0, ready=ready, unacked=active + held, active=active)

    smaller, larger = (
        demand.demand(
            demand.workload(seen, orphaned=0, slots=slots),
            policy=ScalingPolicy(target=target),
            slots_per_replica=1,
            arrival_rate=None,
            runtime_s=runtime_s,
        ).slots
        for slots in (active + idle, active + idle + more)
    )

    assert larger >= smaller


@settings(deadline=None, max_examples=40)
@given(data=st.data(), wanted=policies())
def test_a_constant_load_settles_and_stays(data: st.DataObject, wanted: ScalingPolicy) -> None:
    """Whatever was before: once the slowest policy has had its time, a decision repeats itself.

    That is two hours: one replica in every other tick of a minute, up to sixty of them. Arrival
    rates have faded by then.
    """
    memory, seen = data.draw(memories(wanted)), replace(data.draw(readings()), nodes=())
    assume(wanted.behavior.scale_up.select_policy is not SelectPolicy.DISABLED)
    sizes, now_s = [], NOW_S
    for tick_s in (*[SLOWEST_PERIOD_S] * 125, *[5.0] * 30):
        outcome = decision.decide(seen, policy=wanted, memory=memory, now_s=now_s)
        memory, seen = outcome.memory, replace(seen, replicas=outcome.decision.replicas)
        sizes.append(outcome.decision.replicas)
        now_s += tick_s

    assert len(set(sizes[-30:])) == 1


@settings(deadline=None, max_examples=15)
@given(data=st.data(), wanted=policies())
def test_memory_is_bounded_json(data: st.DataObject, wanted: ScalingPolicy) -> None:
    memory = data.draw(memories(wanted))
    for tick in range(3 * MOST_POINTS):
        seen = PoolReading(
            replicas=tick % 7, ready=(tick * 37) % 101, unacked=tick % 5, active=tick % 3
        )
        memory = decision.decide(seen, policy=wanted, memory=memory, now_s=NOW_S + tick).memory

    assert len(json.dumps(asdict(memory))) < 40_000
