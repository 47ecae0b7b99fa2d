"""Arrival rate and mean run time of a pool, from successive readings.

Nobody has to instrument anything: with `N` messages in the system (ready and unacked) and `D` tasks
ended (heartbeats), as many have arrived as `N` and `D` have grown together. The mean run time is
Little's law, busy time over tasks ended. Both are kept as exponentially fading sums, so that a
ratio is right from the first sample on and memory does not grow.
"""

import math
from dataclasses import dataclass, field, replace

from app.scaling.inputs import NodeSample, PoolReading

STABLE_S = 180.0
"""Fading time of the figures that sizes are made from."""
BURST_S = 6.0
"""Fading time of the figures that notice a burst: a tenth, as in Knative's panic window."""
LONGEST_GAP_S = 300.0
"""A silence longer than this says nothing about the rate within it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FadingSums:
    """Fading sums over time."""

    time_s: float = 0.0
    arrived: float = 0.0
    ended: float = 0.0
    busy_s: float = 0.0

    def faded(self, elapsed_s: float, *, over_s: float) -> "FadingSums":
        left = math.exp(-elapsed_s / over_s)
        return FadingSums(
            time_s=self.time_s * left,
            arrived=self.arrived * left,
            ended=self.ended * left,
            busy_s=self.busy_s * left,
        )

    def plus(self, other: "FadingSums") -> "FadingSums":
        return FadingSums(
            time_s=self.time_s + other.time_s,
            arrived=self.arrived + other.arrived,
            ended=self.ended + other.ended,
            busy_s=self.busy_s + other.busy_s,
        )

    @property
    def arrival_rate(self) -> float | None:
        return max(0.0, self.arrived / self.time_s) if self.time_s > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedWork:
    """Work without an end in sight: since a task has ended for the last time."""

    for_s: float = 0.0
    busy_s: float = 0.0
    """Over all slots."""

    @property
    def least_runtime_s(self) -> float:
        """With a shorter mean, a task would have ended meanwhile (19 times in 20: `exp(-3)`)."""
        return min(self.for_s, self.busy_s / 3)

    def after(self, elapsed_s: float, *, busy_s: float, ended: int) -> "UnfinishedWork":
        if ended > 0 or busy_s <= 0:
            return UnfinishedWork()
        return UnfinishedWork(for_s=self.for_s + elapsed_s, busy_s=self.busy_s + busy_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is remembered between readings, and what follows from it."""

    at_s: float | None = None
    in_system: int = 0
    nodes: tuple[NodeSample, ...] = ()
    stable: FadingSums = field(default_factory=FadingSums)
    burst: FadingSums = field(default_factory=FadingSums)
    ended_runtime_s: float | None = None
    """The last mean run time that tasks which ended have shown."""
    unended: UnfinishedWork = field(default_factory=UnfinishedWork)

    @property
    def arrival_rate(self) -> float | None:
        """Messages a second, over about a minute."""
        return self.stable.arrival_rate

    @property
    def burst_rate(self) -> float | None:
        """Messages a second, over a few seconds."""
        return self.burst.arrival_rate

    @property
    def mean_runtime_s(self) -> float | None:
        """Seconds a task runs; `None` until one has ended.

        Tasks that have run for long without one of them ending are evidence too: when work turns
        slow, this follows within seconds and not only after the first slow task.
        """
        if self.ended_runtime_s is None:
            return None
        return max(self.ended_runtime_s, self.unended.least_runtime_s)


def updated(memory: Estimate, seen: PoolReading, *, now_s: float) -> Estimate:
    """Take a reading in. One without an answer changes nothing."""
    if seen.ready is None:
        return memory
    in_system = seen.ready + (seen.unacked or 0)
    known = {sample.node: sample for sample in memory.nodes}
    fresh = replace(memory, at_s=now_s, in_system=in_system, nodes=seen.nodes)
    if memory.at_s is None or not 0 < now_s - memory.at_s <= LONGEST_GAP_S:
        return fresh
    elapsed_s = now_s - memory.at_s
    ended = sum(_ended(sample, known.get(sample.node)) for sample in seen.nodes)
    step = FadingSums(
        time_s=elapsed_s,
        arrived=in_system - memory.in_system + ended,
        ended=ended,
        busy_s=sum(_busy_s(sample, known.get(sample.node)) for sample in seen.nodes),
    )
    stable = memory.stable.faded(elapsed_s, over_s=STABLE_S).plus(step)
    burst = memory.burst.faded(elapsed_s, over_s=BURST_S).plus(step)
    runtime_s = stable.busy_s / stable.ended if stable.ended >= 1 else memory.ended_runtime_s
    return replace(
        fresh,
        stable=stable,
        burst=burst,
        ended_runtime_s=runtime_s,
        unended=memory.unended.after(elapsed_s, busy_s=step.busy_s, ended=ended),
    )


def has_progressed(memory: Estimate, seen: PoolReading) -> bool:
    """Whether any worker has accepted a task since the last reading."""
    known = {sample.node: sample.processed for sample in memory.nodes}
    return any(known.get(sample.node, 0) != sample.processed for sample in seen.nodes)


def _ended(sample: NodeSample, before: NodeSample | None) -> int:
    """Tasks that ended between two heartbeats; a counter that fell is a worker that restarted."""
    if before is None:
        return 0
    ended = sample.processed - sample.active
    ended_before = before.processed - before.active
    return ended if ended < ended_before else ended - ended_before


def _busy_s(sample: NodeSample, before: NodeSample | None) -> float:
    """Busy time between two heartbeats."""
    if before is None:
        return 0.0
    elapsed_s = max(0.0, sample.seen_at_s - before.seen_at_s)
    return elapsed_s * (sample.active + before.active) / 2
