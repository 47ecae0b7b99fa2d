"""What a pool remembers between decisions: plain, immutable, bounded.

`dataclasses.asdict` of it is JSON. A loop that starts without one behaves as after a restart: the
pool counts as active now, and stabilisation begins with the size that it finds.
"""

from dataclasses import dataclass, field

from app.scaling.abandoned import Abandoned
from app.scaling.behavior import History
from app.scaling.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Handed from one decision to the next."""

    replicas: int | None = None
    """At the last look; the difference to the next one is a change that policies count."""
    history: History = field(default_factory=History)
    estimate: Estimate = field(default_factory=Estimate)
    abandoned: Abandoned = field(default_factory=Abandoned)
    active_at_s: float | None = None
    """When there was work for the last time."""
    burst_until_s: float | None = None
    """Nothing is lowered before this."""
    failures: int = 0
    """Readings in a row without an answer."""
