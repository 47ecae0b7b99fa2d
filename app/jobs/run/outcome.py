"""How a run ended, for whoever called for it."""

from dataclasses import dataclass
from enum import StrEnum

from app.jobs.model.job import Json


class EndKind(StrEnum):
    """What became of the run."""

    NOT_OURS = "not_ours"
    """A second delivery, or somebody else owns the job by now: nothing counts."""
    DONE = "done"
    RETRIED = "retried"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one run ended."""

    kind: EndKind
    output: Json = None
    error: BaseException | None = None


NOT_OURS = Ending(kind=EndKind.NOT_OURS)
