"""The documentation shows the table of transitions as the code has it."""

from collections.abc import Iterator
from pathlib import Path

from app.jobs.model import transitions
from app.jobs.model.transitions import Transition

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
