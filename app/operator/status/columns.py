"""The texts of the columns of `kubectl get`, where a number or a list alone would not do."""

from collections.abc import Sequence

from app.control.pool.status import PoolState, PoolStatus

QUEUES_WIDTH = 20
"""Characters of the queues' names; the others are counted."""


def state(status: PoolStatus) -> str:
    """`Following`, or `Draining 2`."""
    if status.state is PoolState.DRAINING:
        return f"{status.state} {status.draining_replicas}"
    return status.state


def queues(names: Sequence[str]) -> str:
    """
    >>> queues(["orders", "invoices"]), queues(["documents-large", "documents-small", "mail"])
    ('orders,invoices', 'documents-large,+2')
    """
    shown = ",".join(names[:1])
    for count, name in enumerate(names[1:], start=1):
        if len(f"{shown},{name}") > QUEUES_WIDTH:
            return f"{shown},+{len(names) - count}"
        shown = f"{shown},{name}"
    return shown


def backlog(status: PoolStatus) -> str | None:
    """`12`, or `12+3` with three more that workers hold and do not run."""
    if status.backlog is None:
        return None
    return f"{status.backlog}+{status.held}" if status.held else str(status.backlog)


def wait(seconds: float | None) -> str | None:
    """
    >>> wait(0.0), wait(4.26), wait(119.9), wait(121), wait(7300), wait(90000)
    ('0s', '4s', '119s', '2m', '2h', '25h')
    """
    if seconds is None:
        return None
    for limit, unit_s, unit in ((120, 1, "s"), (7200, 60, "m")):
        if seconds < limit:
            return f"{int(seconds // unit_s)}{unit}"
    return f"{int(seconds // 3600)}h"
