"""The state of a pool: one word, by a stated precedence."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from app.control.decide import findings
from app.control.decide.evaluation import Evaluation
from app.control.pool.problems import EFFECTS, Finding, FindingSeverity, ProblemReason
from app.control.pool.spec import Mode
from app.control.pool.status import PoolState
from app.control.report import conditions
from app.scaling.steps import Rule
from tests.unit.control.builders import CALM, decided

REFERENCE = Path("docs/reference/workerpool.md")
BUSY = replace(CALM, has_work=True)
SILENT = Finding(ProblemReason.BROKER_UNREACHABLE, "no answer")
GONE = Finding(ProblemReason.TARGET_NOT_FOUND, "there is no Deployment shop")


def by(*rules: Rule) -> Evaluation:
    return replace(BUSY, decision=decided(*rules))


CASES = {
    "Following": BUSY,
    "Idle": CALM,
    "AtMaximum": by(Rule.DEMAND, Rule.MAXIMUM),
    "AtMinimum": replace(CALM, decision=decided(Rule.DEMAND, Rule.MINIMUM)),
    "Draining": replace(by(Rule.DEMAND, Rule.MAXIMUM), draining=2),
    "Unhealthy": replace(BUSY, draining=1).with_findings(
        Finding(ProblemReason.QUEUES_DIFFER, "the workers consume others")
    ),
    "Unknown": replace(BUSY, decision=None),
    "Blind": replace(by(Rule.BLIND), draining=1).with_findings(SILENT),
    "Fallback": by(Rule.FALLBACK).with_findings(SILENT),
    "Paused": by(Rule.PAUSED).with_findings(SILENT),
    "Fixed": by(Rule.FIXED).with_findings(findings.fixed_out_of_bounds(12, minimum=0, maximum=10)),
    "DryRun": replace(by(Rule.FIXED), mode=Mode.DRY_RUN),
    "Refused": by(Rule.DEMAND, Rule.MAXIMUM).with_findings(
        Finding(ProblemReason.TARGET_FORBIDDEN, "may not patch")
    ),
    "Contested": Evaluation(findings=(Finding(ProblemReason.TARGET_SHARED, "mail scales it"),)),
    "NoTarget": Evaluation(findings=(SILENT, GONE)),
    "Off": Evaluation(mode=Mode.OFF, findings=(GONE,)),
    "Invalid": Evaluation(
        mode=Mode.OFF, findings=(GONE, Finding(ProblemReason.INVALID_SCHEDULE, "no cron"))
    ),
}


@pytest.mark.parametrize(("want", "evaluation"), CASES.items(), ids=CASES.keys())
def test_a_pool_is_in_the_first_state_that_holds(want: str, evaluation: Evaluation) -> None:
    assert conditions.state(evaluation) == want


def test_every_state_has_a_case() -> None:
    assert set(CASES) == {each.value for each in PoolState}


@pytest.mark.parametrize(
    "reason", [each for each in EFFECTS if EFFECTS[each].severity is FindingSeverity.PROBLEM]
)
def test_a_pool_with_a_problem_is_not_in_order(reason: ProblemReason) -> None:
    found = conditions.state(CALM.with_findings(Finding(reason, "")))

    assert found not in (PoolState.IDLE, PoolState.FOLLOWING)


def test_growing_that_is_paused_is_a_pause() -> None:
    assert conditions.state(by(Rule.DEMAND, Rule.GROWING_PAUSED)) is PoolState.PAUSED
    assert conditions.state(by(Rule.DEMAND, Rule.SHRINKING_PAUSED)) is PoolState.PAUSED


def rows(heading: str) -> list[str]:
    """First cells of the first table after a heading, one entry for each `code` in them."""
    table = REFERENCE.read_text().partition(heading)[2].partition("|---|")[2].partition("\n\n")[0]
    return [
        name for row in table.splitlines()[1:] for name in re.findall(r"`(\w+)`", row.split("|")[1])
    ]


def test_the_reference_lists_the_states_by_precedence() -> None:
    assert rows("### State") == [each.value for each in PoolState]


@pytest.mark.parametrize(
    ("heading", "level"),
    [
        ("Reasons of problems", FindingSeverity.PROBLEM),
        ("Reasons of warnings", FindingSeverity.WARNING),
    ],
)
def test_the_reference_lists_every_reason(heading: str, level: FindingSeverity) -> None:
    assert rows(heading) == [each.value for each in EFFECTS if EFFECTS[each].severity is level]
