"""When a status is worth a write, and which events are told."""

from dataclasses import replace
from typing import Any

import pytest

from app.control import conditions, reporting
from app.control.conditions import Findings
from app.control.problems import PoolProblem, ProblemReason
from app.control.reporting import Scaling
from app.control.spec import Mode
from app.control.status import (
    Condition,
    ConditionType,
    EventType,
    PoolEvent,
    PoolStatus,
    QueueStatus,
)
from app.queues import QueueName
from app.scaling.steps import Decision, Rule, Step

NOW_S = 1_000_000.0
SILENT = PoolProblem(ProblemReason.BROKER_UNREACHABLE, "no answer")
FORBIDDEN = PoolProblem(ProblemReason.TARGET_FORBIDDEN, "may not patch")
GONE = PoolProblem(ProblemReason.TARGET_NOT_FOUND, "no such Deployment")


def decided(*rules: Rule) -> Decision:
    steps = tuple(Step(rule=rule, replicas=3) for rule in rules)
    return Decision(replicas=3, reason=rules[-1], steps=steps)


CALM = Findings(has_work=False, decision=decided(Rule.DEMAND))


def told_conditions(found: Findings, *before: Condition) -> dict[str, tuple[str, str]]:
    made = conditions.conditions(found, before=before, now_s=NOW_S)
    return {one.type.value: (one.status.value, one.reason) for one in made}


def test_a_calm_pool_has_all_conditions() -> None:
    assert told_conditions(CALM) == {
        "Ready": ("True", "Reconciled"),
        "Active": ("False", "NoWork"),
        "AbleToScale": ("True", "ReadyForNewScale"),
        "ScalingLimited": ("False", "DesiredWithinRange"),
        "MetricsAvailable": ("True", "ValidReading"),
        "Fallback": ("False", "NotNeeded"),
        "Paused": ("False", "NotPaused"),
        "Draining": ("False", "NotDraining"),
    }


@pytest.mark.parametrize(
    ("change", "want"),
    [
        pytest.param({"has_work": True}, {"Active": ("True", "Work")}, id="work"),
        pytest.param(
            {"has_work": None},
            {"Active": ("Unknown", "Unknown"), "MetricsAvailable": ("Unknown", "NotRead")},
            id="not read",
        ),
        pytest.param({"mode": Mode.DRY_RUN}, {"Ready": ("True", "DryRun")}, id="dry run"),
        pytest.param({"mode": Mode.OFF}, {"Ready": ("True", "Off")}, id="off"),
        pytest.param(
            {"problem": GONE},
            {
                "Ready": ("False", "TargetNotFound"),
                "AbleToScale": ("False", "TargetNotFound"),
            },
            id="no target",
        ),
        pytest.param(
            {"broker_problem": SILENT},
            {
                "Ready": ("False", "BrokerUnreachable"),
                "MetricsAvailable": ("False", "BrokerUnreachable"),
            },
            id="no broker",
        ),
        pytest.param(
            {"is_blocked": True}, {"AbleToScale": ("True", "ShrinksToZeroOnly")}, id="blocked"
        ),
        pytest.param(
            {"decision": decided(Rule.DEMAND, Rule.MAXIMUM)},
            {"ScalingLimited": ("True", "TooManyReplicas")},
            id="at the maximum",
        ),
        pytest.param(
            {"decision": decided(Rule.DEMAND, Rule.MINIMUM)},
            {"ScalingLimited": ("True", "TooFewReplicas")},
            id="at the minimum",
        ),
        pytest.param(
            {"decision": decided(Rule.DEMAND, Rule.RATE)},
            {"ScalingLimited": ("True", "ScaleRateLimit")},
            id="held by a policy",
        ),
        pytest.param(
            {"decision": decided(Rule.FALLBACK)},
            {"Fallback": ("True", "NoReading")},
            id="fallback",
        ),
        pytest.param(
            {"decision": decided(Rule.FIXED)}, {"Paused": ("True", "FixedSize")}, id="fixed"
        ),
        pytest.param(
            {"unheard": ("a", "b")},
            {"MetricsAvailable": ("True", "WorkersUnheard")},
            id="workers without heartbeats",
        ),
        pytest.param({"draining": 2}, {"Draining": ("True", "Draining")}, id="draining"),
        pytest.param(
            {"draining": 2, "other_queues": ("mail",)},
            {"Draining": ("True", "OtherQueues")},
            id="a queue that the spec does not name",
        ),
        pytest.param(
            {"draining": 2, "overdue": ("a",)},
            {"Draining": ("True", "DrainOverdue")},
            id="draining for long",
        ),
    ],
)
def test_conditions_follow_what_was_found(
    change: dict[str, Any], want: dict[str, tuple[str, str]]
) -> None:
    assert told_conditions(replace(CALM, **change)) == told_conditions(CALM) | want


def test_a_condition_keeps_its_moment_while_its_status_stays() -> None:
    early = conditions.conditions(replace(CALM, has_work=True), before=(), now_s=1.0)

    late = conditions.conditions(replace(CALM, problem=GONE), before=early, now_s=2.0)

    moments = {one.type: one.last_transition_at_s for one in late}
    assert moments[ConditionType.METRICS_AVAILABLE] == 1.0
    assert moments[ConditionType.ACTIVE] == 2.0
    assert moments[ConditionType.ABLE_TO_SCALE] == 2.0


def status(**known: Any) -> PoolStatus:  # Any: whatever a test names
    usual = PoolStatus(
        observed_generation=1,
        mode="Auto",
        replicas=2,
        ready_replicas=2,
        desired_replicas=2,
        draining_replicas=0,
        selector="",
        last_scale_at_s=None,
        queues=(queue_status(3),),
        backlog=3,
        active_tasks=2,
        arrival_rate=1.0,
        mean_runtime_s=None,
        queue_wait_s=4.0,
        slots_per_replica=1,
        explanation=("3 waiting",),
        conditions=conditions.conditions(CALM, before=(), now_s=0.0),
    )
    return replace(usual, **known)


def queue_status(ready: int) -> QueueStatus:
    return QueueStatus(name=QueueName("q"), ready=ready, unacked=2, scheduled=0, oldest_age_s=4.0)


@pytest.mark.parametrize(
    ("change", "age_s", "want"),
    [
        pytest.param({}, 900.0, False, id="nothing new, however long ago"),
        pytest.param({"ready_replicas": 1}, 0.0, True, id="a count of replicas, at once"),
        pytest.param({"observed_generation": 2}, 0.0, True, id="a new spec, at once"),
        pytest.param(
            {"conditions": conditions.conditions(replace(CALM, problem=GONE), before=(), now_s=0)},
            0.0,
            True,
            id="a condition, at once",
        ),
        pytest.param({"queues": (queue_status(9),)}, 14.0, False, id="a backlog waits"),
        pytest.param({"queues": (queue_status(9),)}, 15.0, True, id="but not for long"),
        pytest.param({"arrival_rate": 1.19}, 15.0, False, id="about the same rate"),
        pytest.param({"arrival_rate": 1.3}, 15.0, True, id="another rate"),
        pytest.param({"mean_runtime_s": 0.0}, 15.0, False, id="nothing after not known"),
        pytest.param({"mean_runtime_s": 2.0}, 15.0, True, id="something after not known"),
        pytest.param({"explanation": ("held for 3 s",)}, 900.0, False, id="words alone"),
    ],
)
def test_a_status_is_written_when_it_says_something_new(
    change: dict[str, Any], age_s: float, *, want: bool
) -> None:
    assert reporting.needs_write(status(), status(**change), age_s=age_s) is want


def test_a_first_status_is_written() -> None:
    assert reporting.needs_write(None, status(), age_s=0.0)


def happened(
    before: Findings | None = None,
    after: Findings = CALM,
    *,
    scaling: Scaling | None = None,
    marked: tuple[str, ...] = (),
) -> list[tuple[str, str]]:
    was = conditions.conditions(before, before=(), now_s=0.0) if before is not None else ()
    found = reporting.events(
        before=was,
        after=conditions.conditions(after, before=was, now_s=NOW_S),
        scaling=scaling,
        marked=marked,
        explanation=("3 waiting", "maxReplicas is 3"),
        now_s=NOW_S,
    )
    return [(event.type.value, f"{event.reason}: {event.message}") for event in found]


def test_scaling_is_told_with_its_reasons() -> None:
    why = "3 waiting; maxReplicas is 3"

    assert happened(scaling=Scaling(was=1, now=3)) == [
        ("Normal", f"ScaledUp: 1 -> 3 replicas: {why}")
    ]
    assert happened(scaling=Scaling(was=3, now=1)) == [
        ("Normal", f"ScaledDown: 3 -> 1 replicas: {why}")
    ]


def test_a_drain_names_a_few_of_its_replicas() -> None:
    told = happened(marked=("a", "b", "c", "d", "e", "f"))

    assert told == [
        (
            "Normal",
            "DrainStarted: draining 6 (a, b, c, d, e, …): 3 waiting; maxReplicas is 3",
        )
    ]


@pytest.mark.parametrize(
    ("before", "after", "want"),
    [
        pytest.param(None, CALM, [], id="a new pool that is well"),
        pytest.param(CALM, CALM, [], id="nothing has changed"),
        pytest.param(
            None, replace(CALM, problem=GONE), ["Warning TargetNotFound"], id="a new one in trouble"
        ),
        pytest.param(
            CALM, replace(CALM, broker_problem=SILENT), ["Warning BrokerUnreachable"], id="trouble"
        ),
        pytest.param(
            replace(CALM, problem=GONE), replace(CALM, problem=GONE), [], id="the same trouble"
        ),
        pytest.param(
            replace(CALM, problem=GONE),
            replace(CALM, problem=FORBIDDEN),
            ["Warning TargetForbidden"],
            id="another trouble",
        ),
        pytest.param(
            replace(CALM, problem=GONE), CALM, ["Normal ReadyForNewScale"], id="well again"
        ),
        pytest.param(
            replace(CALM, broker_problem=SILENT),
            replace(CALM, has_work=None),
            [],
            id="not bad any more, not good yet",
        ),
        pytest.param(
            CALM, replace(CALM, decision=decided(Rule.PAUSED)), ["Normal PausedByAnnotation"]
        ),
        pytest.param(
            replace(CALM, decision=decided(Rule.PAUSED)), CALM, ["Normal NotPaused"], id="resumed"
        ),
        pytest.param(
            CALM, replace(CALM, draining=1, overdue=("a",)), ["Warning DrainOverdue"], id="overdue"
        ),
    ],
)
def test_turns_of_conditions_are_told(
    before: Findings | None, after: Findings, want: list[str]
) -> None:
    told = [f"{kind} {text.partition(':')[0]}" for kind, text in happened(before, after)]

    assert told == want


def event(reason: str, message: str, at_s: float) -> PoolEvent:
    return PoolEvent(type=EventType.NORMAL, reason=reason, message=message, at_s=at_s)


@pytest.mark.parametrize(
    ("told_before", "at_s", "want"),
    [
        pytest.param([], 0.0, True, id="the first time"),
        pytest.param([("ScaledDown", "3 -> 2", 0.0)], 599.0, False, id="the same again"),
        pytest.param([("ScaledDown", "3 -> 2", 0.0)], 600.0, True, id="the same much later"),
        pytest.param([("ScaledDown", "4 -> 3", 0.0)], 9.0, False, id="of its kind, too soon"),
        pytest.param([("ScaledDown", "4 -> 3", 0.0)], 10.0, True, id="of its kind, later"),
        pytest.param([("ScaledUp", "1 -> 4", 0.0)], 1.0, True, id="of another kind"),
    ],
)
def test_events_do_not_flood(
    told_before: list[tuple[str, str, float]], at_s: float, *, want: bool
) -> None:
    told: reporting.Tellings = {(why, text): when for why, text, when in told_before}
    new = event("ScaledDown", "3 -> 2", at_s)

    chosen, now_told = reporting.worth_telling([new], told)

    assert chosen == ((new,) if want else ())
    assert (now_told != told) is want


def test_what_was_told_long_ago_is_forgotten() -> None:
    _, told = reporting.worth_telling([event("A", "x", 1000.0)], {("B", "y"): 1.0})

    assert set(told) == {("A", "x")}
