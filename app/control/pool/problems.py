"""What is wrong or noteworthy about a pool: reasons, what each of them means, and the error that
carries one of them.

A new reason needs a member of `ProblemReason`, a row of `EFFECTS` and a line in the reference
(`tools/operator/workerpool.md`); conditions, events and the state of the pool follow from these.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from app.control.pool.status import ConditionStatus, ConditionType
from app.errors import BrokerRefused, BrokerUnreachable, CeleriacError


class ProblemReason(StrEnum):
    """Shown as the reason of a condition. Of several, the first in this order is shown."""

    INVALID_SPEC = "InvalidSpec"
    INVALID_ANNOTATION = "InvalidAnnotation"
    INVALID_SCHEDULE = "InvalidSchedule"
    TARGET_NOT_FOUND = "TargetNotFound"
    TARGET_NOT_SCALABLE = "TargetNotScalable"
    TARGET_FORBIDDEN = "TargetForbidden"
    TARGET_SHARED = "TargetShared"
    """Two pools name one target: only the older one scales it."""
    TARGET_UNREACHABLE = "TargetUnreachable"
    BROKER_UNKNOWN = "BrokerUnknown"
    """No Secret, no key in it, or no URL in the key."""
    BROKER_REFUSED = "BrokerRefused"
    """The broker answers, but refuses the login or a command."""
    BROKER_UNREACHABLE = "BrokerUnreachable"
    QUEUES_DIFFER = "QueuesDiffer"
    """The workers consume other queues than the spec names."""
    WORKERS_NOT_CONSUMING = "WorkersNotConsuming"
    """Live workers have lost consumers."""
    KEYS_DIFFER = "KeysDiffer"
    """An application has declared the queues under another key prefix or separator."""
    WORKERS_UNHEARD = "WorkersUnheard"
    REPLIES_UNREADABLE = "RepliesUnreadable"
    REPLIES_MISSING = "RepliesMissing"
    """Workers send heartbeats and do not answer to remote control."""
    SLOTS_UNKNOWN = "SlotsUnknown"
    WORKERS_NOT_STARTED = "WorkersNotStarted"
    """Workers that have hung since their start."""
    OTHER_QUEUES = "OtherQueues"
    """Draining workers consume queues that the spec does not name."""
    DRAIN_OVERDUE = "DrainOverdue"
    FIXED_OUT_OF_BOUNDS = "FixedOutOfBounds"
    """A size that was set by hand lies outside of minReplicas and maxReplicas."""
    UNKNOWN_ANNOTATION = "UnknownAnnotation"
    GRACE_PERIOD_SHORT = "GracePeriodShort"
    """Tasks run for longer than a replica is given to end."""
    PRIVATE_MESSAGES = "PrivateMessages"
    """Draining workers have messages to run that no other worker can run."""
    SHRINKS_TO_ZERO_ONLY = "ShrinksToZeroOnly"
    SCALE_CONFLICT = "ScaleConflict"
    """Another client has changed the replicas meanwhile; the next tick reads them again."""
    SCALE_REFUSED = "ScaleRefused"
    """The API server does not accept the new size: an admission policy, a quota, a limit."""
    PODS_REFUSED = "PodsRefused"
    """The size is set, and the cluster does not create the pods: a quota, an admission policy."""
    POD_PATCH_REFUSED = "PodPatchRefused"
    """The API server does not accept a label or annotation on a pod, so it cannot be drained."""


class FindingSeverity(Enum):
    """How much a finding matters."""

    PROBLEM = 1
    """The pool does not work as its spec says: `Ready` is False, and there is a Warning event."""
    WARNING = 2
    """The pool works, and its owner should know: `Ready` stays True and mentions it; an event."""
    NOTE = 3
    """Shown in its condition only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a reason does to the conditions of a pool."""

    condition: ConditionType | None
    """The condition that shows it, beside `Ready`."""
    status: ConditionStatus = ConditionStatus.FALSE
    severity: FindingSeverity = FindingSeverity.PROBLEM


_CANNOT_SCALE = Effect(condition=ConditionType.ABLE_TO_SCALE)
_CANNOT_READ = Effect(condition=ConditionType.METRICS_AVAILABLE)
_NO_CONTACT = Effect(condition=ConditionType.WORKERS_HEALTHY, severity=FindingSeverity.WARNING)
_SLOW_DRAIN = Effect(
    condition=ConditionType.DRAINING, status=ConditionStatus.TRUE, severity=FindingSeverity.WARNING
)

EFFECTS: Mapping[ProblemReason, Effect] = {
    ProblemReason.INVALID_SPEC: _CANNOT_SCALE,
    ProblemReason.INVALID_ANNOTATION: _CANNOT_SCALE,
    ProblemReason.INVALID_SCHEDULE: _CANNOT_SCALE,
    ProblemReason.TARGET_NOT_FOUND: _CANNOT_SCALE,
    ProblemReason.TARGET_NOT_SCALABLE: _CANNOT_SCALE,
    ProblemReason.TARGET_FORBIDDEN: _CANNOT_SCALE,
    ProblemReason.TARGET_SHARED: _CANNOT_SCALE,
    ProblemReason.TARGET_UNREACHABLE: _CANNOT_SCALE,
    ProblemReason.BROKER_UNKNOWN: _CANNOT_READ,
    ProblemReason.BROKER_REFUSED: _CANNOT_READ,
    ProblemReason.BROKER_UNREACHABLE: _CANNOT_READ,
    ProblemReason.QUEUES_DIFFER: Effect(condition=ConditionType.WORKERS_HEALTHY),
    ProblemReason.WORKERS_NOT_CONSUMING: Effect(condition=ConditionType.WORKERS_HEALTHY),
    ProblemReason.KEYS_DIFFER: Effect(
        condition=ConditionType.METRICS_AVAILABLE,
        status=ConditionStatus.UNKNOWN,
        severity=FindingSeverity.WARNING,
    ),
    ProblemReason.WORKERS_UNHEARD: _NO_CONTACT,
    ProblemReason.REPLIES_UNREADABLE: _NO_CONTACT,
    ProblemReason.REPLIES_MISSING: _NO_CONTACT,
    ProblemReason.SLOTS_UNKNOWN: _NO_CONTACT,
    ProblemReason.WORKERS_NOT_STARTED: _NO_CONTACT,
    ProblemReason.OTHER_QUEUES: _SLOW_DRAIN,
    ProblemReason.DRAIN_OVERDUE: _SLOW_DRAIN,
    ProblemReason.FIXED_OUT_OF_BOUNDS: Effect(
        condition=ConditionType.PAUSED,
        status=ConditionStatus.TRUE,
        severity=FindingSeverity.WARNING,
    ),
    ProblemReason.UNKNOWN_ANNOTATION: Effect(condition=None, severity=FindingSeverity.WARNING),
    ProblemReason.GRACE_PERIOD_SHORT: Effect(condition=None, severity=FindingSeverity.WARNING),
    ProblemReason.PRIVATE_MESSAGES: Effect(
        condition=ConditionType.DRAINING, status=ConditionStatus.TRUE, severity=FindingSeverity.NOTE
    ),
    ProblemReason.SHRINKS_TO_ZERO_ONLY: Effect(
        condition=ConditionType.ABLE_TO_SCALE,
        status=ConditionStatus.TRUE,
        severity=FindingSeverity.NOTE,
    ),
    ProblemReason.SCALE_CONFLICT: _CANNOT_SCALE,
    ProblemReason.SCALE_REFUSED: _CANNOT_SCALE,
    ProblemReason.PODS_REFUSED: _CANNOT_SCALE,
    ProblemReason.POD_PATCH_REFUSED: _CANNOT_SCALE,
}
"""Every reason has a row."""

_RANKS = {reason: rank for rank, reason in enumerate(EFFECTS)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is so about a pool. The message says what, and the way out."""

    reason: ProblemReason
    message: str

    @property
    def effect(self) -> Effect:
        return EFFECTS[self.reason]


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each one once, in the order of their reasons."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda one: _RANKS[one.reason]))


def text(findings: Iterable[Finding]) -> str:
    """All messages in one line, with their reasons where there are several.

    >>> text([Finding(ProblemReason.TARGET_NOT_FOUND, "there is no Deployment shop")])
    'there is no Deployment shop'
    """
    listed = tuple(findings)
    if len(listed) == 1:
        return listed[0].message
    return "; ".join(f"{one.reason}: {one.message}" for one in listed)


def of_broker(error: BrokerUnreachable) -> Finding:
    """Why the queues cannot be read, by the error of the broker's adapter."""
    if isinstance(error, BrokerRefused):
        return Finding(
            ProblemReason.BROKER_REFUSED,
            f"{error}; check the user, the password and the permissions of the broker URL, and the "
            "state of the server. Replicas are kept meanwhile",
        )
    return Finding(
        ProblemReason.BROKER_UNREACHABLE, f"{error}; replicas are kept until it answers again"
    )


class PoolProblem(CeleriacError):
    """One pool cannot be worked on; others are not affected. The message names the way out."""

    def __init__(self, reason: ProblemReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def finding(self) -> Finding:
        return Finding(self.reason, str(self))
