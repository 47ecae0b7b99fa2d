"""The state machine of a job, as one table.

Each `Transition` is a row: the states it starts from, what guards it, the columns it writes, the
outcome of the run it ends, and what follows its commit. `store.state_machine` applies a row,
`publish.job_lifecycle` does what follows. `changes` makes a row ready for one job.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from app.jobs.model.job import JobState, RunOutcome


class Write(Enum):
    """A value that is known only when the row is written."""

    GIVEN = "given"
    """What the change brings; the column stays as it is when it brings none."""
    NOW = "now"
    FIRST_NOW = "now, unless set before"
    LEASE_END = "the end of a new lease"
    ONE_MORE = "+ 1"
    ONE_LESS = "- 1"


class Lease(StrEnum):
    """What a guard demands of the row's lease."""

    EXPIRED = "expired"
    FREE = "expired or absent"


class Then(StrEnum):
    """What follows the commit, in this order."""

    EVENT = "event"
    CANCEL_CHILDREN = "cancel children"
    PUBLISH_STAGE = "publish the stage"
    """When the change marked it as published: the reconciler publishes the others."""
    PUBLISH_FINALIZER = "publish the finalizer"
    PUBLISH_CALLBACKS = "publish callbacks"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transition:
    """A row of the table. What a guard leaves at None or False is not checked."""

    name: str
    source: frozenset[JobState]
    target: JobState | None = None
    """None where the state stays."""
    checks_fence: bool = True
    checks_stage: bool = False
    is_cancel_requested: bool | None = None
    lease: Lease | None = None
    is_finalizer_due: bool | None = None
    is_finalized: bool | None = None
    writes: Mapping[str, object]
    """By column: a constant, or a `Write`."""
    begins_run: str | None = None
    """The column that numbers the run it starts."""
    outcome: RunOutcome | None = None
    """Of the run that it ends."""
    flags_children: bool = False
    """Whether it requests the cancel of the job's children in the same transaction."""
    then: tuple[Then, ...] = ()


QUEUED, RUNNING = frozenset({JobState.QUEUED}), frozenset({JobState.RUNNING})
STOPPED = frozenset({JobState.FAILED, JobState.CANCELLED})
"""Ended without a result: such a job can be queued again, and its files are cleaned up."""

_UNCLAIMED = {"lease_until": None, "worker": None, "speed": None, "eta_seconds": None}
_TO_QUEUED = {**_UNCLAIMED, "published_at": Write.GIVEN}
_TO_END = {
    **_UNCLAIMED,
    "cancel_requested": False,
    "waits_for_children": False,
    "finished_at": Write.NOW,
    "finalizer_due": Write.GIVEN,
    "finalizer_runs": 0,
    "finalized_at": None,
    "published_at": Write.GIVEN,
    "not_before": None,
}
_AFRESH = {"attempt": 0, "deliveries": 0}
_TO_RETRIED = {
    **_TO_QUEUED,
    **_AFRESH,
    "waits_for_children": Write.GIVEN,
    "stage": Write.GIVEN,
    "fence": Write.ONE_MORE,
    "cancel_requested": False,
    "not_before": None,
    "finalizer_due": False,
    "finalized_at": None,
    "dead_lettered_at": None,
    "finished_at": None,
}
_ERROR = {"error": Write.GIVEN, "progress": Write.GIVEN}
_DEAD = {"dead_lettered_at": Write.NOW}

_QUEUED_AGAIN = (Then.EVENT, Then.PUBLISH_STAGE)
_ENDED = (Then.EVENT, Then.PUBLISH_FINALIZER, Then.PUBLISH_CALLBACKS)
_CANCELLED = (
    *(Then.EVENT, Then.CANCEL_CHILDREN),
    *(Then.PUBLISH_FINALIZER, Then.PUBLISH_CALLBACKS),
)

CLAIM = Transition(
    name="claim",
    source=QUEUED,
    target=JobState.RUNNING,
    checks_stage=True,
    writes={
        "fence": Write.ONE_MORE,
        "attempt": Write.ONE_MORE,
        "started_at": Write.FIRST_NOW,
        "lease_until": Write.LEASE_END,
        "worker": Write.GIVEN,
        "not_before": None,
    },
    begins_run="attempt",
    then=(Then.EVENT,),
)
ADVANCE = Transition(
    name="advance",
    source=RUNNING,
    target=JobState.QUEUED,
    is_cancel_requested=False,
    writes={
        **_TO_QUEUED,
        **_AFRESH,
        "waits_for_children": Write.GIVEN,
        "stage": Write.GIVEN,
        "stage_input": Write.GIVEN,
        "progress": Write.GIVEN,
        "error": None,
    },
    outcome=RunOutcome.SUCCEEDED,
    then=_QUEUED_AGAIN,
)
SUCCEED = Transition(
    name="succeed",
    source=RUNNING,
    target=JobState.SUCCEEDED,
    writes={**_TO_END, "result": Write.GIVEN, "progress": 100.0, "error": None},
    outcome=RunOutcome.SUCCEEDED,
    then=(Then.EVENT, Then.PUBLISH_CALLBACKS),
)
RETRY_LATER = Transition(
    name="retry later",
    source=RUNNING,
    target=JobState.QUEUED,
    is_cancel_requested=False,
    writes={**_TO_QUEUED, **_ERROR, "not_before": Write.GIVEN},
    outcome=RunOutcome.RETRIED,
    then=_QUEUED_AGAIN,
)
FAIL = Transition(
    name="fail",
    source=RUNNING,
    target=JobState.FAILED,
    writes={**_TO_END, **_ERROR, "dead_lettered_at": None},
    outcome=RunOutcome.FAILED,
    then=_ENDED,
)
FAIL_FOR_GOOD = Transition(
    name="dead-letter",
    source=RUNNING,
    target=JobState.FAILED,
    writes={**_TO_END, **_ERROR, **_DEAD},
    outcome=RunOutcome.FAILED,
    then=_ENDED,
)
CANCEL = Transition(
    name="cancel",
    source=RUNNING,
    target=JobState.CANCELLED,
    writes={**_TO_END, "progress": Write.GIVEN},
    outcome=RunOutcome.CANCELLED,
    flags_children=True,
    then=_CANCELLED,
)
GIVE_BACK = Transition(
    name="give back",
    source=RUNNING,
    target=JobState.QUEUED,
    is_cancel_requested=False,
    writes={**_TO_QUEUED, "attempt": Write.ONE_LESS},
    outcome=RunOutcome.LOST,
    then=(Then.EVENT,),
)
REQUEST_CANCEL = Transition(
    name="request cancel",
    source=RUNNING,
    checks_fence=False,
    writes={"cancel_requested": True},
)
CANCEL_QUEUED = Transition(
    name="cancel queued",
    source=QUEUED,
    target=JobState.CANCELLED,
    checks_fence=False,
    writes=_TO_END,
    flags_children=True,
    then=_CANCELLED,
)
CANCEL_WITH_PARENT = Transition(
    name="cancel with parent",
    source=QUEUED,
    target=JobState.CANCELLED,
    checks_fence=False,
    is_cancel_requested=True,
    writes=_TO_END,
    flags_children=True,
    then=(Then.EVENT, Then.PUBLISH_CALLBACKS),
)
RESUME = Transition(
    name="resume",
    source=STOPPED,
    target=JobState.QUEUED,
    lease=Lease.FREE,
    is_finalized=False,
    writes=_TO_RETRIED,
    then=_QUEUED_AGAIN,
)
RESTART = Transition(
    name="restart",
    source=STOPPED,
    target=JobState.QUEUED,
    lease=Lease.FREE,
    is_finalized=True,
    writes={**_TO_RETRIED, "progress": 0.0},
    then=_QUEUED_AGAIN,
)
REQUEUE_LOST = Transition(
    name="requeue lost",
    source=RUNNING,
    target=JobState.QUEUED,
    is_cancel_requested=False,
    lease=Lease.EXPIRED,
    writes={**_TO_QUEUED, **_ERROR, "deliveries": Write.ONE_MORE},
    outcome=RunOutcome.LOST,
    then=(Then.EVENT,),
)
CANCEL_LOST = Transition(
    name="cancel lost",
    source=RUNNING,
    target=JobState.CANCELLED,
    lease=Lease.EXPIRED,
    writes={**_TO_END, "progress": Write.GIVEN},
    outcome=RunOutcome.LOST,
    flags_children=True,
    then=_CANCELLED,
)
DEAD_LETTER_LOST = Transition(
    name="dead-letter lost",
    source=RUNNING,
    target=JobState.FAILED,
    lease=Lease.EXPIRED,
    writes={**_TO_END, **_ERROR, **_DEAD, "deliveries": Write.ONE_MORE},
    outcome=RunOutcome.LOST,
    then=_ENDED,
)
FAIL_UNKNOWN_STAGE = Transition(
    name="fail unknown stage",
    source=QUEUED,
    target=JobState.FAILED,
    writes={**_TO_END, **_DEAD, "error": Write.GIVEN},
    then=(Then.EVENT, Then.PUBLISH_CALLBACKS),
)
CLAIM_FINALIZER = Transition(
    name="claim finalizer",
    source=STOPPED,
    lease=Lease.FREE,
    is_finalizer_due=True,
    writes={
        "fence": Write.ONE_MORE,
        "finalizer_runs": Write.ONE_MORE,
        "lease_until": Write.LEASE_END,
        "worker": Write.GIVEN,
    },
    begins_run="finalizer_runs",
)
_FINALIZER_ENDED = {"lease_until": None, "worker": None, "published_at": Write.NOW}
FINALIZE = Transition(
    name="finalize",
    source=STOPPED,
    is_finalizer_due=True,
    writes={**_FINALIZER_ENDED, "finalizer_due": False, "finalized_at": Write.NOW},
    outcome=RunOutcome.SUCCEEDED,
)
RETRY_FINALIZER = Transition(
    name="retry finalizer",
    source=STOPPED,
    is_finalizer_due=True,
    writes=_FINALIZER_ENDED,
    outcome=RunOutcome.FAILED,
)
ABANDON_FINALIZER = Transition(
    name="abandon finalizer",
    source=STOPPED,
    is_finalizer_due=True,
    writes={"finalizer_due": False, "lease_until": None, "worker": None},
)

TABLE = (
    *(CLAIM, ADVANCE, SUCCEED, RETRY_LATER, FAIL, FAIL_FOR_GOOD, CANCEL, GIVE_BACK),
    *(REQUEST_CANCEL, CANCEL_QUEUED, CANCEL_WITH_PARENT, RESUME, RESTART),
    *(REQUEUE_LOST, CANCEL_LOST, DEAD_LETTER_LOST, FAIL_UNKNOWN_STAGE),
    *(CLAIM_FINALIZER, FINALIZE, RETRY_FINALIZER, ABANDON_FINALIZER),
)
