"""What each rule did to a size, as data: events, status and `pools explain` are made from it."""

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """A rule that can set or change a size. The last one that spoke is the reason for it."""

    DEMAND = "Demand"
    TOLERANCE = "WithinTolerance"
    ACTIVATION = "BelowActivation"
    COOLDOWN = "Cooldown"
    HELD_MESSAGES = "HeldMessages"
    """Messages sit with no worker (ETA tasks, or a worker died): one has to be there."""
    SCHEDULED_MESSAGES = "ScheduledMessages"
    """Messages with an ETA ahead that no worker has fetched: one has to be there when it comes."""
    FORCED_ACTIVE = "ForcedActive"
    STABILIZATION = "Stabilized"
    LATE = "OldestMessageLate"
    BURST = "Burst"
    UNHEARD = "WorkersUnheard"
    BUSY = "BusyReplicas"
    RATE = "RateLimited"
    MINIMUM = "MinReplicas"
    MAXIMUM = "MaxReplicas"
    GROWING_PAUSED = "GrowingPaused"
    SHRINKING_PAUSED = "ShrinkingPaused"
    PAUSED = "Paused"
    FIXED = "FixedSize"
    BLIND = "NoReading"
    FALLBACK = "Fallback"


Figure = float | int | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A rule has spoken: the size after it, and the figures it went by."""

    rule: Rule
    replicas: int
    figures: tuple[tuple[str, Figure], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many replicas should take work, why, and what every rule had to say."""

    replicas: int
    reason: Rule
    steps: tuple[Step, ...]

    def has(self, rule: Rule) -> bool:
        """Whether this rule had a say."""
        return any(step.rule is rule for step in self.steps)
