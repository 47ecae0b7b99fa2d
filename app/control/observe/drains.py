"""Drains as a whole: which have ended since the last look, how, and how long they took. Pure."""

from collections.abc import Mapping

from app.control.ports import DrainEnd, DrainOutcome, InstanceName, Target

Drains = Mapping[InstanceName, float]
"""The replicas that drain, and since when."""


def current(target: Target) -> Drains:
    """The drains of a target."""
    return {
        one.name: one.mark.since_s
        for one in target.instances
        if one.mark is not None and not one.is_ending
    }


def ended(before: Drains, target: Target, *, now_s: float) -> tuple[DrainEnd, ...]:
    """What has ended since `before`. A clock that was set back makes no negative duration."""
    now = current(target)
    staying = {one.name for one in target.instances if not one.is_ending}
    return tuple(
        DrainEnd(
            replica=name,
            outcome=DrainOutcome.WOKEN if name in staying else DrainOutcome.REMOVED,
            duration_s=max(0.0, now_s - since_s),
        )
        for name, since_s in before.items()
        if name not in now
    )
