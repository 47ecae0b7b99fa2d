"""Messages that a broker counts as fetched although nobody alive holds them."""

from dataclasses import dataclass, replace

SPAN_S = 30.0
"""Far above what lies between a fetch and the next heartbeat that tells of it (2 s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned:
    """The least that was fetched and not running, in this span of time and in the one before.

    What never goes away although slots are idle belonged to a worker that died; the broker gives
    it back after its visibility timeout. Until then more replicas could not help it.
    """

    span_from_s: float | None = None
    least: int = 0
    least_before: int | None = None

    @property
    def messages(self) -> int:
        """How many are taken for abandoned; 0 until a whole span has been seen."""
        return 0 if self.least_before is None else min(self.least, self.least_before)


def updated(
    memory: Abandoned, *, not_running: int, has_idle_slots: bool, now_s: float
) -> Abandoned:
    """Take in how many messages are fetched and not seen running."""
    if not has_idle_slots or not_running <= 0:
        return Abandoned()
    if memory.span_from_s is None:
        return Abandoned(span_from_s=now_s, least=not_running)
    if now_s - memory.span_from_s >= SPAN_S:
        return Abandoned(span_from_s=now_s, least=not_running, least_before=memory.least)
    return replace(memory, least=min(memory.least, not_running))
