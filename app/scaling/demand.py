"""How many task slots the workload of a pool needs.

Two questions, the larger answer counts. *Steady*: with Poisson arrivals at rate `lambda` and run
times `S`, the offered load is `rho = lambda * S`, and Erlang's C formula gives the smallest number
of slots with which at most one message in twenty waits for longer than the target. *Backlog*: what
waits now has to start within the target, on slots that come free and on slots that are added.

Neither answer is larger than the number of tasks there are: a slot without a task is of no use.
Without run times every task gets a slot of its own.
"""

import math
from dataclasses import dataclass, field, replace

from app.scaling.sizing_inputs import BacklogPerReplica, NodeSample, PoolReading, ScalingPolicy

LATE_SHARE = 0.05
"""One message in twenty may wait for longer than the target."""
EXACT_UP_TO = 400.0
"""Above this load the square-root rule is within a slot of Erlang's formula, and cheaper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What there is to do."""

    waiting: int
    """Ready, or about to be: a new slot could run it."""
    running: int
    held: int
    """Fetched by a worker and not seen running: about to run, or prefetched."""

    @property
    def tasks(self) -> int:
        return self.waiting + self.running + self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Slots that the workload needs, and how they come about."""

    slots: float
    steady: float
    backlog: float
    replicas: float
    """Before rounding up: `slots / slots_per_replica`, or the share of a backlog target."""


def workload(seen: PoolReading, *, orphaned: int, slots: int) -> Workload:
    """Sort what was read. `slots` is what the pool has, `orphaned` no living worker holds.

    A prefetched message holds a slot and never adds one: no other worker can run it. A message
    whose ETA is far ahead needs no slot yet, whether a worker has fetched it or not.
    """
    ready = (seen.ready if seen.ready is not None else 0) - seen.ready_later
    running = seen.active if seen.active is not None else 0
    waiting = ready + (seen.due_soon or 0)
    in_flight = max(0, (seen.unacked or 0) - (seen.scheduled or 0) - orphaned)
    held = max(0, in_flight - running)
    room = max(0, slots - waiting - running)
    return Workload(waiting=waiting, running=running, held=min(held, room))


def demand(
    work: Workload,
    *,
    policy: ScalingPolicy,
    slots_per_replica: int,
    arrival_rate: float | None,
    runtime_s: float | None,
) -> Demand:
    """Slots and (fractional) replicas for this workload."""
    if isinstance(policy.target, BacklogPerReplica):
        replicas = max(
            work.tasks / policy.target.messages, math.ceil(work.running / slots_per_replica)
        )
        slots = replicas * slots_per_replica
        return Demand(slots=slots, steady=0.0, backlog=slots, replicas=replicas)
    if runtime_s is None or runtime_s <= 0:
        steady, backlog = 0.0, float(work.tasks)
    else:
        load = (arrival_rate or 0.0) * runtime_s
        wait_s = policy.target.wait_s
        steady = steady_slots(load, wait_s=wait_s, runtime_s=runtime_s)
        backlog = backlog_slots(work, wait_s=wait_s, runtime_s=runtime_s)
    slots = min(max(steady, backlog), float(work.tasks))
    return Demand(slots=slots, steady=steady, backlog=backlog, replicas=slots / slots_per_replica)


def steady_slots(load: float, *, wait_s: float, runtime_s: float) -> float:
    """Fewest slots with `P(wait > wait_s) <= LATE_SHARE` at this offered load (Erlangs)."""
    if load <= 0:
        return 0.0
    if load > EXACT_UP_TO:
        return load + math.sqrt(load)
    slots, blocking = 0, 1.0
    while True:
        slots += 1
        blocking = load * blocking / (slots + load * blocking)
        if slots <= load:
            continue
        waits = blocking / (1 - (load / slots) * (1 - blocking))
        if waits * math.exp(-(slots - load) * wait_s / runtime_s) <= LATE_SHARE:
            return float(slots)


def backlog_slots(work: Workload, *, wait_s: float, runtime_s: float) -> float:
    """Slots with which all that waits now starts within `wait_s`; 0 when the running ones will do.

    A running slot comes free `wait_s / runtime_s` times in that time. An added one starts a task at
    once and another after each run time. That running slots stay is another rule's business:
    counted here, the most that ran lately would hold a pool larger than its load.

    What is held is yet to start like what waits. It is held as far as the pool has room: taken for
    busy, it would say that a replica which was added for the same messages is needed no more.
    """
    left = work.waiting + work.held - work.running * wait_s / runtime_s
    per_added = 1 + math.floor(wait_s / runtime_s)
    return work.running + left / per_added if left > 0 else 0.0


ORPHAN_SPAN_S = 30.0
"""Far above what lies between a fetch and the next heartbeat that shows it (2 s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanedMessages:
    """The least that was fetched and not running, in this span of time and in the one before.

    What never goes away although slots are idle belonged to a worker that died; the broker gives
    it back after its visibility timeout. Until then more replicas could not help it.
    """

    span_from_s: float | None = None
    least: int = 0
    least_before: int | None = None

    @property
    def messages(self) -> int:
        """How many are taken for orphaned; 0 until a whole span has been seen."""
        return 0 if self.least_before is None else min(self.least, self.least_before)


def with_orphaned(
    memory: OrphanedMessages, *, not_running: int, has_idle_slots: bool, now_s: float
) -> OrphanedMessages:
    """Take in how many messages are fetched and not seen running."""
    if not has_idle_slots or not_running <= 0:
        return OrphanedMessages()
    if memory.span_from_s is None:
        return OrphanedMessages(span_from_s=now_s, least=not_running)
    if now_s - memory.span_from_s >= ORPHAN_SPAN_S:
        return OrphanedMessages(span_from_s=now_s, least=not_running, least_before=memory.least)
    return replace(memory, least=min(memory.least, not_running))


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
    """Busy time since the last task ended."""

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
        """Messages a second, over about three minutes."""
        return self.stable.arrival_rate

    @property
    def burst_rate(self) -> float | None:
        """Messages a second, over a few seconds."""
        return self.burst.arrival_rate

    @property
    def mean_runtime_s(self) -> float | None:
        """Seconds a task runs; `None` until one has ended.

        Tasks that have run for long without one of them ending are evidence too: when tasks get
        slow, this follows within seconds and not only after the first slow task.
        """
        if self.ended_runtime_s is None:
            return None
        return max(self.ended_runtime_s, self.unended.least_runtime_s)


def with_reading(memory: Estimate, seen: PoolReading, *, now_s: float) -> Estimate:
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
