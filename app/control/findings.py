"""What the loop itself finds wrong with a pool, in words: a function for each finding.

Findings of an adapter come as a `PoolProblem` with the adapter's own words.
"""

from collections.abc import Sequence

from app.control.problems import Finding, ProblemReason
from app.errors import BrokerRefused, BrokerUnreachable

NAMES_SHOWN = 3


def of_broker(error: BrokerUnreachable) -> Finding:
    """Why the queues cannot be read, by the error of the broker's adapter."""
    if isinstance(error, BrokerRefused):
        return Finding(
            ProblemReason.BROKER_REFUSED,
            f"{error}; check the user, the password and the permissions of the broker URL. "
            "Replicas are kept meanwhile",
        )
    return Finding(
        ProblemReason.BROKER_UNREACHABLE, f"{error}; replicas are kept until it answers again"
    )


def unheard(replicas: Sequence[str]) -> Finding:
    """Replicas that have been ready for long and never sent a heartbeat."""
    return Finding(
        ProblemReason.WORKERS_UNHEARD,
        f"no heartbeat from {listed(replicas)}: such replicas are never removed. Workers must send "
        "heartbeats (no --without-heartbeat) and have a node name that ends in @ and the host name",
    )


def other_queues(queues: Sequence[str]) -> Finding:
    """Queues that nobody stops, so that a drain does not end."""
    return Finding(
        ProblemReason.OTHER_QUEUES,
        f"draining replicas also consume {', '.join(queues)}, which spec.queues does not name: "
        "they stay until it does",
    )


def overdue(replicas: Sequence[str]) -> Finding:
    """Drains that take longer than the spec allows for."""
    return Finding(
        ProblemReason.DRAIN_OVERDUE,
        f"still busy after drain.timeoutSeconds: {listed(replicas)}. Their tasks are not "
        "interrupted unless drain.onTimeout is Retire",
    )


def shrinks_to_zero_only() -> Finding:
    """The target gives up replicas in an order that is not known."""
    return Finding(
        ProblemReason.SHRINKS_TO_ZERO_ONLY,
        "which replica the target would remove is not known (it is not a Deployment or "
        "StatefulSet, or a rollout is in progress), so the pool only shrinks to zero; "
        "drain.policy None shrinks it regardless of running tasks",
    )


def fixed_out_of_bounds(replicas: int, *, minimum: int, maximum: int) -> Finding:
    """A size that was set by hand is kept, whatever the bounds say."""
    bound = f"above maxReplicas {maximum}" if replicas > maximum else f"below minReplicas {minimum}"
    return Finding(
        ProblemReason.FIXED_OUT_OF_BOUNDS,
        f"the size is fixed at {replicas}, {bound}; remove spec.replicas (or the annotation "
        "celeriac.dev/paused-replicas) to size by demand again",
    )


def listed(names: Sequence[str]) -> str:
    """The first few.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    shown = ", ".join(names[:NAMES_SHOWN])
    left = len(names) - NAMES_SHOWN
    return f"{shown} and {left} more" if left > 0 else shown
