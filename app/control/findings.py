"""What the loop itself finds wrong with a pool, in words: a function for each finding.

Findings of an adapter come as a `PoolProblem` with the adapter's own words.
"""

from collections.abc import Sequence

from app.control.problems import Finding, ProblemReason
from app.control.shortfalls import Difference, Remedy, Shortfall
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


def queues_differ(found: Difference) -> Finding:
    """The spec names other queues than the workers consume."""
    ways = []
    if found.unserved:
        ways.append(
            f"no worker consumes {', '.join(found.unserved)}, so messages there wait: correct the "
            "name in spec.queues, or add it to the workers' --queues"
        )
    if found.unnamed:
        ways.append(
            f"{', '.join(found.unnamed)} is not in spec.queues, so its messages are not counted "
            "and the replicas that consume it are not removed: add it to spec.queues, or stop "
            "consuming it ('celery control cancel_consumer', if no --queues names it)"
        )
    return Finding(
        ProblemReason.QUEUES_DIFFER,
        f"workers consume {', '.join(found.consumed)}; spec.queues names "
        f"{', '.join(found.named)}: {'; '.join(ways)}",
    )


_REMEDIES = {
    Remedy.GIVEN_BACK: "told to consume again",
    Remedy.LEFT: "lost again after they were given back, so somebody cancels these consumers: "
    "'celery control add_consumer' gives them back",
    Remedy.UNKNOWN: "what it should consume is not known, so restart it",
}


def not_consuming(found: Sequence[Shortfall]) -> Finding:
    """Workers that run and do not consume what they should."""
    by_remedy = {
        remedy: [one for one in found if one.remedy is remedy]
        for remedy in Remedy
        if any(one.remedy is remedy for one in found)
    }
    told = "; ".join(
        f"{listed([_lacking(one) for one in those])} ({_REMEDIES[remedy]})"
        for remedy, those in by_remedy.items()
    )
    return Finding(
        ProblemReason.WORKERS_NOT_CONSUMING,
        f"{told}. A replica that consumes nothing is not counted, and is replaced",
    )


def _lacking(one: Shortfall) -> str:
    if one.consumes_nothing:
        return f"{one.replica} consumes nothing"
    return f"{one.replica} does not consume {' and '.join(one.queues)}"


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
