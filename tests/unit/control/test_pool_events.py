"""When a status is worth a write, and which events are told."""

from dataclasses import replace
from typing import Any

import pytest

from app.control.decide.evaluation import Evaluation
from app.control.decide.pool_memory import SentEvents
from app.control.pool.problems import Finding, ProblemReason
from app.control.pool.status import (
    EventType,
    PoolEvent,
    PoolState,
    PoolStatus,
    QueueStatus,
)
from app.control.ports import Scaling
from app.control.report import conditions, pool_events, status_builder
from app.control.report.pool_events import ReportedState
from app.queues import QueueName
from app.scaling.steps import Rule
from tests.unit.control.builders import CALM, decided

NOW_S = 1_000_000.0
SILENT = Finding(ProblemReason.BROKER_UNREACHABLE, "no answer")
REFUSED = Finding(ProblemReason.BROKER_REFUSED, "wrong password")
FORBIDDEN = Finding(ProblemReason.TARGET_FORBIDDEN, "may not patch")
GONE = Finding(ProblemReason.TARGET_NOT_FOUND, "no such Deployment")
MISSPELT = Finding(ProblemReason.UNKNOWN_ANNOTATION, "no effect")


def status(**known: Any) -> PoolStatus:  # Any: whatever a test names
    usual = PoolStatus(
        observed_generation=1,
        state=PoolState.FOLLOWING,
        pool_queues=("documents",),
        min_replicas=0,
        max_replicas=10,
        mode="Auto",
        replicas=2,
        ready_replicas=2,
        desired_replicas=2,
        draining_replicas=0,
        selector="",
        last_scale_at_s=None,
        queues=(queue_status(3),),
        backlog=3,
        held=None,
        active_tasks=2,
        arrival_rate=1.0,
        mean_runtime_s=None,
        queue_wait_s=4.0,
        slots_per_replica=1,
        explanation=("3 waiting",),
        conditions=conditions.conditions(CALM, before=(), now_s=0.0),
    )
    return usual.model_copy(update=known)


def queue_status(ready: int) -> QueueStatus:
    return QueueStatus(name=QueueName("q"), ready=ready, unacked=2, scheduled=0, oldest_age_s=4.0)


@pytest.mark.parametrize(
    ("change", "age_s", "want"),
    [
        pytest.param({}, 900.0, False, id="nothing new, however long ago"),
        pytest.param({"ready_replicas": 1}, 0.0, True, id="a count of replicas, at once"),
        pytest.param({"observed_generation": 2}, 0.0, True, id="a new spec, at once"),
        pytest.param(
            {"conditions": conditions.conditions(CALM.with_findings(GONE), before=(), now_s=0)},
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
    assert status_builder.needs_write(status(), status(**change), age_s=age_s) is want


def test_a_first_status_is_written() -> None:
    assert status_builder.needs_write(None, status(), age_s=0.0)


def told_of(evaluation: Evaluation) -> ReportedState:
    made = conditions.conditions(evaluation, before=(), now_s=NOW_S)
    return ReportedState(conditions=made, findings=evaluation.findings)


def happened(
    before: Evaluation | None = None,
    after: Evaluation = CALM,
    *,
    scaling: Scaling | None = None,
    marked: tuple[str, ...] = (),
) -> list[tuple[str, str]]:
    found = pool_events.events(
        before=told_of(before) if before is not None else ReportedState(),
        after=told_of(after),
        scaling=scaling,
        marked=marked,
        explanation=("3 waiting", "maxReplicas is 3"),
        now_s=NOW_S,
    )
    return [(event.type.value, f"{event.reason}: {event.message}") for event in found]


def test_scaling_is_told_with_its_reasons() -> None:
    why = "3 waiting. maxReplicas is 3"

    assert happened(scaling=Scaling(was=1, now=3)) == [
        ("Normal", f"ScaledUp: 1 -> 3 replicas. {why}")
    ]
    assert happened(scaling=Scaling(was=3, now=1)) == [
        ("Normal", f"ScaledDown: 3 -> 1 replicas. {why}")
    ]


def test_a_drain_names_a_few_of_its_replicas() -> None:
    why = "3 waiting. maxReplicas is 3"

    assert happened(marked=("a",)) == [("Normal", f"DrainStarted: a drains. {why}")]
    assert happened(marked=("a", "b", "c", "d", "e", "f")) == [
        ("Normal", f"DrainStarted: 6 replicas drain (a, b, c, d, e, …). {why}")
    ]


PAUSED = replace(CALM, decision=decided(Rule.PAUSED))


@pytest.mark.parametrize(
    ("before", "after", "want"),
    [
        pytest.param(None, CALM, [], id="a new pool that is well"),
        pytest.param(CALM, CALM, [], id="nothing has changed"),
        pytest.param(
            None, CALM.with_findings(GONE), ["Warning TargetNotFound"], id="a new one in trouble"
        ),
        pytest.param(CALM, CALM.with_findings(SILENT), ["Warning BrokerUnreachable"], id="trouble"),
        pytest.param(
            CALM,
            CALM.with_findings(SILENT, GONE, MISSPELT),
            ["Warning BrokerUnreachable", "Warning TargetNotFound", "Warning UnknownAnnotation"],
            id="each of several troubles",
        ),
        pytest.param(CALM.with_findings(GONE), CALM.with_findings(GONE), [], id="the same trouble"),
        pytest.param(
            CALM.with_findings(GONE),
            CALM.with_findings(FORBIDDEN),
            ["Warning TargetForbidden"],
            id="another trouble",
        ),
        pytest.param(
            CALM.with_findings(GONE),
            CALM,
            ["Normal TargetNotFoundResolved"],
            id="well again",
        ),
        pytest.param(
            CALM.with_findings(SILENT),
            CALM.with_findings(REFUSED),
            ["Warning BrokerRefused"],
            id="back, and refusing",
        ),
        pytest.param(
            CALM.with_findings(SILENT),
            replace(CALM, is_read=False),
            [],
            id="not bad any more, not good yet",
        ),
        pytest.param(
            CALM.with_findings(MISSPELT), CALM, ["Normal UnknownAnnotationResolved"], id="corrected"
        ),
        pytest.param(CALM, PAUSED, ["Normal PausedByAnnotation"], id="paused"),
        pytest.param(None, PAUSED, ["Normal PausedByAnnotation"], id="a new one, paused"),
        pytest.param(PAUSED, CALM, ["Normal NotPaused"], id="resumed"),
        pytest.param(replace(CALM, decision=None), CALM, [], id="known not to be paused"),
        pytest.param(
            CALM,
            PAUSED.with_findings(Finding(ProblemReason.FIXED_OUT_OF_BOUNDS, "50 is above 10")),
            ["Warning FixedOutOfBounds"],
            id="fixed above the maximum, told once",
        ),
        pytest.param(
            PAUSED.with_findings(Finding(ProblemReason.FIXED_OUT_OF_BOUNDS, "50 is above 10")),
            CALM,
            ["Normal FixedOutOfBoundsResolved"],
            id="and once when it is over",
        ),
        pytest.param(
            CALM,
            CALM.with_findings(Finding(ProblemReason.DRAIN_OVERDUE, "a is busy")),
            ["Warning DrainOverdue"],
            id="overdue",
        ),
        pytest.param(
            CALM,
            CALM.with_findings(Finding(ProblemReason.SHRINKS_TO_ZERO_ONLY, "")),
            [],
            id="only a note",
        ),
    ],
)
def test_turns_of_conditions_are_told(
    before: Evaluation | None, after: Evaluation, want: list[str]
) -> None:
    told = [f"{kind} {text.partition(':')[0]}" for kind, text in happened(before, after)]

    assert told == want


def test_findings_of_one_reason_make_one_event_with_all_of_them() -> None:
    other = Finding(ProblemReason.UNKNOWN_ANNOTATION, "no effect either")

    assert happened(CALM, CALM.with_findings(MISSPELT, other)) == [
        ("Warning", "UnknownAnnotation: no effect; no effect either")
    ]


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
    told: SentEvents = {(why, text): when for why, text, when in told_before}
    new = event("ScaledDown", "3 -> 2", at_s)

    chosen, now_told = pool_events.without_repeats([new], told)

    assert chosen == ((new,) if want else ())
    assert (now_told != told) is want


def test_what_was_told_long_ago_is_forgotten() -> None:
    _, told = pool_events.without_repeats([event("A", "x", 1000.0)], {("B", "y"): 1.0})

    assert set(told) == {("A", "x")}
