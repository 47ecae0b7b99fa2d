"""Conditions: what they say by themselves, and how findings turn them."""

from dataclasses import replace
from typing import Any

import pytest

from app.control.decide import findings
from app.control.decide.evaluation import Evaluation
from app.control.pool import problems
from app.control.pool.problems import EFFECTS, Finding, FindingSeverity, ProblemReason
from app.control.pool.spec import Mode
from app.control.pool.status import Condition, ConditionType
from app.control.report import conditions
from app.errors import BrokerRefused, BrokerUnreachable
from app.scaling.steps import Rule
from tests.unit.control.builders import CALM, decided

NOW_S = 1_000_000.0
GONE = Finding(ProblemReason.TARGET_NOT_FOUND, "there is no Deployment shop")
SILENT = problems.of_broker(BrokerUnreachable(host="redis:6379"))
MISSPELT = Finding(ProblemReason.UNKNOWN_ANNOTATION, "the annotation x has no effect")
NOTHING_READ = Evaluation(decision=decided(Rule.BLIND), draining=0)


def told_conditions(evaluation: Evaluation, *before: Condition) -> dict[str, tuple[str, str]]:
    made = conditions.conditions(evaluation, before=before, now_s=NOW_S)
    return {one.type.value: (one.status.value, one.reason) for one in made}


def test_a_calm_pool_has_all_conditions() -> None:
    assert told_conditions(CALM) == {
        "Ready": ("True", "Reconciled"),
        "Active": ("False", "NoWork"),
        "AbleToScale": ("True", "ReadyForNewScale"),
        "ScalingLimited": ("False", "DesiredWithinRange"),
        "MetricsAvailable": ("True", "ValidReading"),
        "WorkersHealthy": ("True", "WorkersHeard"),
        "Fallback": ("False", "NotNeeded"),
        "Paused": ("False", "NotPaused"),
        "Draining": ("False", "NotDraining"),
    }


@pytest.mark.parametrize(
    ("change", "want"),
    [
        pytest.param({"has_work": True}, {"Active": ("True", "Work")}, id="work"),
        pytest.param({"has_work": None}, {"Active": ("Unknown", "NotRead")}, id="not known"),
        pytest.param(
            {"are_workers_known": False},
            {"WorkersHealthy": ("Unknown", "NotRead")},
            id="not heard yet",
        ),
        pytest.param({"mode": Mode.DRY_RUN}, {"Ready": ("True", "DryRun")}, id="dry run"),
        pytest.param(
            {"mode": Mode.OFF, "decision": None},
            {
                "Ready": ("True", "Off"),
                "ScalingLimited": ("Unknown", "Off"),
                "Fallback": ("Unknown", "Off"),
                "Paused": ("Unknown", "Off"),
            },
            id="off",
        ),
        pytest.param(
            {"findings": (GONE,)},
            {"Ready": ("False", "TargetNotFound"), "AbleToScale": ("False", "TargetNotFound")},
            id="no target",
        ),
        pytest.param(
            {"findings": (SILENT, GONE)},
            {
                "Ready": ("False", "TargetNotFound"),
                "AbleToScale": ("False", "TargetNotFound"),
                "MetricsAvailable": ("False", "BrokerUnreachable"),
            },
            id="neither target nor broker",
        ),
        pytest.param(
            {"findings": (MISSPELT,)},
            {"Ready": ("True", "UnknownAnnotation")},
            id="a warning leaves the pool ready",
        ),
        pytest.param(
            {"findings": (findings.shrinks_to_zero_only(),)},
            {"AbleToScale": ("True", "ShrinksToZeroOnly")},
            id="blocked",
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
            {"findings": (findings.fixed_out_of_bounds(50, minimum=0, maximum=10),)},
            {
                "Ready": ("True", "FixedOutOfBounds"),
                "Paused": ("True", "FixedOutOfBounds"),
            },
            id="fixed above the maximum",
        ),
        pytest.param(
            {"findings": (findings.no_heartbeats(("a", "b"), "celeryev"),)},
            {
                "Ready": ("True", "WorkersUnheard"),
                "WorkersHealthy": ("False", "WorkersUnheard"),
            },
            id="workers without heartbeats",
        ),
        pytest.param({"draining": 2}, {"Draining": ("True", "Draining")}, id="draining"),
        pytest.param(
            {"draining": 2, "findings": (findings.other_queues(("mail",)),)},
            {"Ready": ("True", "OtherQueues"), "Draining": ("True", "OtherQueues")},
            id="a queue that the spec does not name",
        ),
        pytest.param(
            {"draining": 2, "findings": (findings.overdue(("a",)),)},
            {"Ready": ("True", "DrainOverdue"), "Draining": ("True", "DrainOverdue")},
            id="draining for long",
        ),
    ],
)
def test_conditions_follow_what_was_found(
    change: dict[str, Any], want: dict[str, tuple[str, str]]
) -> None:
    assert told_conditions(replace(CALM, **change)) == told_conditions(CALM) | want


def test_what_was_not_evaluated_is_unknown() -> None:
    """Issue 9: a pool without its target said that nothing limits it, pauses it or drains."""
    told = told_conditions(Evaluation(findings=(GONE,)))

    assert told.pop("Ready") == told.pop("AbleToScale") == ("False", "TargetNotFound")
    assert set(told.values()) == {("Unknown", "NotEvaluated")}


def test_a_pool_that_cannot_be_read_knows_nothing_of_its_demand() -> None:
    told = told_conditions(NOTHING_READ.with_findings(SILENT))

    assert told["ScalingLimited"] == told["Active"] == ("Unknown", "NotEvaluated")
    assert told["Fallback"] == ("False", "NotNeeded")


def message(evaluation: Evaluation, kind: ConditionType = ConditionType.READY) -> str:
    made = conditions.conditions(evaluation, before=(), now_s=NOW_S)
    return next(one.message for one in made if one.type is kind)


@pytest.mark.parametrize(
    ("rule", "want"),
    [
        (Rule.DEMAND, "the size follows the queues"),
        (Rule.PAUSED, "the annotation celeriac.dev/paused keeps the size"),
        (Rule.FIXED, "the size is fixed by spec.replicas"),
        (Rule.SHRINKING_PAUSED, "keeps the pool from shrinking"),
    ],
)
def test_ready_says_what_sets_the_size(rule: Rule, want: str) -> None:
    """Issue 9: a paused pool said that it follows its queues."""
    assert want in message(replace(CALM, decision=decided(rule)))


def test_ready_tells_every_problem_and_warning() -> None:
    told = message(CALM.with_findings(MISSPELT, SILENT, GONE))

    assert told == (
        "TargetNotFound: there is no Deployment shop; BrokerUnreachable: no answer from the broker "
        "at redis:6379; replicas are kept until it answers again; UnknownAnnotation: the "
        "annotation x has no effect"
    )
    assert message(CALM.with_findings(MISSPELT)) == (
        "the size follows the queues; the annotation x has no effect"
    )


def test_a_broker_that_refuses_is_not_an_outage() -> None:
    """Issue 9: a wrong password was told as an outage."""
    refused = problems.of_broker(BrokerRefused(host="redis:6379", reason="WRONGPASS: no"))

    assert refused.reason is ProblemReason.BROKER_REFUSED
    assert "refused by the broker at redis:6379: WRONGPASS: no; check the user" in refused.message
    assert told_conditions(CALM.with_findings(refused))["MetricsAvailable"] == (
        "False",
        "BrokerRefused",
    )


def test_every_reason_has_an_effect() -> None:
    assert list(EFFECTS) == list(ProblemReason)
    problems = [effect for effect in EFFECTS.values() if effect.severity is FindingSeverity.PROBLEM]
    assert all(effect.condition is not None for effect in problems)


def test_a_condition_keeps_its_moment_while_its_status_stays() -> None:
    early = conditions.conditions(replace(CALM, has_work=True), before=(), now_s=1.0)

    late = conditions.conditions(CALM.with_findings(GONE), before=early, now_s=2.0)

    moments = {one.type: one.last_transition_at_s for one in late}
    assert moments[ConditionType.METRICS_AVAILABLE] == 1.0
    assert moments[ConditionType.ACTIVE] == 2.0
    assert moments[ConditionType.ABLE_TO_SCALE] == 2.0
