"""What keeps a pool from being worked on, and what its owner can do about it."""

from enum import StrEnum

from app.errors import CeleriacError


class ProblemReason(StrEnum):
    """Shown as the reason of the pool's condition `AbleToScale` or `MetricsAvailable`."""

    INVALID_SPEC = "InvalidSpec"
    INVALID_ANNOTATION = "InvalidAnnotation"
    INVALID_SCHEDULE = "InvalidSchedule"
    TARGET_NOT_FOUND = "TargetNotFound"
    TARGET_NOT_SCALABLE = "TargetNotScalable"
    TARGET_FORBIDDEN = "TargetForbidden"
    TARGET_SHARED = "TargetShared"
    """Two pools name one target: only the older one is worked on."""
    TARGET_UNREACHABLE = "TargetUnreachable"
    BROKER_UNKNOWN = "BrokerUnknown"
    """No Secret, no key in it, or no URL in the key."""
    BROKER_UNREACHABLE = "BrokerUnreachable"
    SCALE_CONFLICT = "ScaleConflict"
    """Somebody else has changed the replicas meanwhile; the next tick looks again."""


class PoolProblem(CeleriacError):
    """One pool cannot be worked on; others are not affected. The message names the way out."""

    def __init__(self, reason: ProblemReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
