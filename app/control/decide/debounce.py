"""A pool at zero lets a burst come in before it answers: in one write, not in one for each look.

A publisher needs some 100 ms for 40 messages, and a look may fall into the middle of that.
"""

from dataclasses import dataclass, replace

LOOK_AGAIN_S = 0.2
LIMIT_S = 1.0
"""A queue that grows for ever is answered after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """A first write that is held back."""

    since_s: float
    ready: int
    """Messages at the last look."""


def settling(
    before: Settling | None, *, replicas: int, planned: int, ready: int | None, now_s: float
) -> Settling | None:
    """What to remember while the write is held back; `None` when nothing holds it (any more).

    >>> first = settling(None, replicas=0, planned=11, ready=11, now_s=10.0)
    >>> grown = settling(first, replicas=0, planned=32, ready=40, now_s=10.2)
    >>> settling(grown, replicas=0, planned=32, ready=40, now_s=10.4) is None
    True
    """
    if replicas > 0 or planned == 0 or not ready:
        return None
    if before is None:
        return Settling(since_s=now_s, ready=ready)
    if ready > before.ready and now_s - before.since_s < LIMIT_S:
        return replace(before, ready=ready)
    return None
