"""The table of transitions: shown by the documentation, and whole in itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.jobs.model import transitions
from app.jobs.model.job import FINAL_STATES, JobState
from app.jobs.model.transitions import Transition, Write
from app.storage import schema

PAGE = Path(__file__).parents[3] / "docs" / "concepts" / "jobs.md"
HEAD = "| Transition | From | To | Guard | Outcome of the run | After the commit |"


def guards(row: Transition) -> Iterator[str]:
    if row.checks_fence:
        yield "fence"
    if row.checks_stage:
        yield "stage"
    if row.is_cancel_requested is not None:
        yield "cancel requested" if row.is_cancel_requested else "no cancel requested"
    if row.lease is not None:
        yield f"lease {row.lease}"
    if row.is_finalizer_due:
        yield "finalizer due"
    if row.is_finalized is not None:
        yield "finalized" if row.is_finalized else "not finalized"


def shown(row: Transition) -> str:
    cells = (
        row.name,
        " ".join(sorted(f"`{state}`" for state in row.source)),
        f"`{row.target}`" if row.target is not None else "",
        ", ".join(guards(row)),
        row.outcome or "",
        ", ".join(row.then),
    )
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def test_the_page_on_jobs_shows_the_table_of_transitions() -> None:
    table = PAGE.read_text().partition(HEAD)[2].partition("\n\n")[0].splitlines()[2:]
    assert table == [shown(row) for row in transitions.TABLE]


def test_names_are_unique() -> None:
    names = [row.name for row in transitions.TABLE]
    assert len(set(names)) == len(names)


ENDS = [row for row in transitions.TABLE if row.target in FINAL_STATES]


@pytest.mark.parametrize("row", transitions.TABLE, ids=lambda row: row.name)
def test_a_transition_writes_columns_that_there_are(row: Transition) -> None:
    assert set(row.writes) <= set(schema.jobs.c.keys())
    assert "state" not in row.writes


@pytest.mark.parametrize("row", ENDS, ids=lambda row: row.name)
def test_an_end_leaves_neither_lease_nor_cancel(row: Transition) -> None:
    want = {"lease_until": None, "worker": None, "cancel_requested": False}
    assert {name: row.writes[name] for name in want} == want
    assert row.writes["finished_at"] is Write.NOW
    assert transitions.Then.PUBLISH_CALLBACKS in row.then


def test_every_state_but_success_can_be_left() -> None:
    left = {state for one in transitions.TABLE if one.target for state in one.source}
    assert left == set(JobState) - {JobState.SUCCEEDED}


def test_only_claims_raise_the_fence_of_a_job_that_runs_or_retries() -> None:
    rising = {row.name for row in transitions.TABLE if "fence" in row.writes}
    assert rising == {"claim", "claim finalizer", "resume", "restart"}
