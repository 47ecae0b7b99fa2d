"""What the loop remembers of a pool between two turns. Frozen: a turn returns the next one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.control.decide.debounce import Settling
from app.control.decide.refusals import ScaleRefusal
from app.control.observe.consumption import Consumption
from app.control.observe.drain_progress import Notes
from app.control.observe.drains import Drains
from app.control.observe.leaving import LastActive
from app.control.pool.problems import Finding
from app.control.pool.status import PoolStatus
from app.control.ports import DrainEnd
from app.scaling.memory import Memory

Tellings = Mapping[tuple[str, str], float]
"""When events were last told, by reason and message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMemory:
    """All of it may be lost: a loop that starts anew finds marks at replicas and begins again."""

    scaling: Memory = field(default_factory=Memory)
    notes: Notes = field(default_factory=dict)
    consumption: Consumption = field(default_factory=Consumption)
    last_active: LastActive = field(default_factory=dict)
    startup_s: float | None = None
    """The longest time from a start to a first heartbeat that was seen."""
    slots_per_replica: int | None = None
    """What a worker has said, where the spec leaves `concurrency` out."""
    slots_asked_at_s: float | None = None
    is_slotless: bool = False
    """Whether workers have answered without saying it."""
    settling: Settling | None = None
    refusal: ScaleRefusal | None = None
    draining: Drains = field(default_factory=dict)
    drains_ended: tuple[DrainEnd, ...] = ()
    """Since the reconcile before."""
    last_scale_at_s: float | None = None
    status: PoolStatus | None = None
    findings: tuple[Finding, ...] = ()
    """What was found wrong the last time."""
    written: PoolStatus | None = None
    """The last status that was written, and when."""
    written_at_s: float = 0.0
    told: Tellings = field(default_factory=dict[tuple[str, str], float])

    @property
    def has_draining(self) -> bool:
        """Whether replicas are on their way out, as far as is known."""
        return self.status is not None and (self.status.draining_replicas or 0) > 0


FRESH = PoolMemory()
