"""Why a task waits, in one sentence, from its queue and its workers alone: no events are needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.broker.queues import samples
from app.console import words
from app.foreign.observed import Seen, SeenQueue, SeenWorker
from app.foreign.queue_actions import MessagePosition
from app.foreign.task_record import ENDS, TaskRecord, TaskState

HUNG_S = 10.0
"""Heartbeats come every 2 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTask:
    """A task that a worker holds, according to its own answer."""

    worker: str
    is_running: bool
    runs_for_s: float | None = None
    eta: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitFacts:
    """What is known of a task that may wait."""

    task: TaskRecord | None
    """From events, if there are any."""
    position: MessagePosition | None
    """Where its message waits."""
    held: HeldTask | None
    is_unacked: bool
    """Whether the broker has its message among those that workers have fetched."""
    rate_limits: Mapping[str, str]
    """Limits of its rate by worker, if one of them has fetched it and does not hold it to run."""
    is_paused: bool
    """Whether its queue was paused through the console."""
    seen: Seen

    @property
    def queue(self) -> SeenQueue | None:
        name = "" if self.position is None else self.position.queue
        return next((one for one in self.seen.queues if one.name == name), None)

    @property
    def consumers(self) -> tuple[SeenWorker, ...]:
        name = "" if self.position is None else self.position.queue
        return tuple(one for one in self.seen.workers if name in (one.queues or ()))


Rule = Callable[[WaitFacts], str | None]


def why(facts: WaitFacts) -> str:
    """The first reason that holds."""
    if facts.seen.problem is not None:
        return facts.seen.problem
    return next(reason for rule in RULES if (reason := rule(facts)) is not None)


def _has_ended(facts: WaitFacts) -> str | None:
    task = facts.task
    if task is None or task.series.state not in ENDS or facts.position or facts.held:
        return None
    return f"It does not wait: it has {_ended(task.series.state)} on {task.series.worker}."


def _ended(state: TaskState) -> str:
    return {TaskState.REVOKED: "been revoked", TaskState.REJECTED: "been rejected"}.get(
        state, state.value
    )


def _runs(facts: WaitFacts) -> str | None:
    held = facts.held
    if held is None or not held.is_running:
        return None
    since = "" if held.runs_for_s is None else f" for {words.duration(held.runs_for_s)}"
    return f"It does not wait: worker {held.worker} runs it{since}."


def _is_held_for_its_eta(facts: WaitFacts) -> str | None:
    held = facts.held
    if held is None or not held.eta:
        return None
    return f"Worker {held.worker} holds it until its ETA, {_moment(held.eta, facts)}."


def _is_rate_limited(facts: WaitFacts) -> str | None:
    if not facts.rate_limits:
        return None
    limits = _listed([f"{node} {limit}" for node, limit in sorted(facts.rate_limits.items())])
    return f"A worker has fetched it and waits for the limit of its rate: {limits}."


def _waits_for_a_slot_of_its_worker(facts: WaitFacts) -> str | None:
    held = facts.held
    if held is None:
        return None
    worker = next((one for one in facts.seen.workers if one.node == held.worker), None)
    slots = "" if worker is None or worker.slots is None else f" of its {worker.slots} slots"
    busy = "all" if worker is None else str(worker.active)
    return f"Worker {held.worker} has fetched it, and {busy}{slots} run other tasks."


def _waits_for_its_eta(facts: WaitFacts) -> str | None:
    message = None if facts.position is None else facts.position.message
    if message is None or not message.eta:
        return None
    eta_s = samples.parse_moment(message.eta)
    if eta_s is None or eta_s <= facts.seen.at.timestamp():
        return None
    return f"Its ETA is {_moment(message.eta, facts)}. {_place(facts)}"


def _is_paused(facts: WaitFacts) -> str | None:
    if facts.position is None or not facts.is_paused:
        return None
    return f"Queue {facts.position.queue} is paused. {_place(facts)}"


def _has_no_worker(facts: WaitFacts) -> str | None:
    if facts.position is None or facts.seen.workers:
        return None
    return f"No worker is alive. {_place(facts)}"


def _has_no_consumer(facts: WaitFacts) -> str | None:
    if facts.position is None or facts.consumers:
        return None
    unknown = [one.node for one in facts.seen.workers if one.queues is None]
    if unknown:
        return (
            f"No worker is known to consume queue {facts.position.queue}; "
            f"{_listed(unknown)} did not answer. {_place(facts)}"
        )
    others = sorted({name for one in facts.seen.workers for name in one.queues or ()})
    instead = f" Workers consume {_listed(others)}." if others else " Workers consume no queue."
    return f"No worker consumes queue {facts.position.queue}.{instead}"


def _consumers_hang(facts: WaitFacts) -> str | None:
    consumers = facts.consumers
    hung = [one for one in consumers if one.is_deaf or one.heartbeat_age_s > HUNG_S]
    if facts.position is None or not consumers or len(hung) < len(consumers):
        return None
    names = _listed([one.node for one in hung])
    verb = "hangs: it answers" if len(hung) == 1 else "hang: they answer"
    return f"{names} {verb} nothing, and no other worker consumes queue {facts.position.queue}."


def _slots_are_busy(facts: WaitFacts) -> str | None:
    if facts.position is None:
        return None
    consumers = facts.consumers
    slots = sum(one.slots or 0 for one in consumers)
    busy = sum(one.active for one in consumers)
    workers = words.plural(len(consumers), "worker")
    verb = "consumes" if len(consumers) == 1 else "consume"
    return (
        f"{_place(facts)} {workers} {verb} it: {busy:,} of {words.plural(slots, 'slot')} "
        f"{'is' if busy == 1 else 'are'} busy."
    )


def _was_fetched_by_a_lost_worker(facts: WaitFacts) -> str | None:
    if not facts.is_unacked:
        return None
    worker = "" if facts.task is None else facts.task.series.worker
    alive = any(one.node == worker for one in facts.seen.workers)
    whose = f"Worker {worker}, which" if worker and not alive else "A worker that"
    return (
        f"{whose} had fetched its message does not answer for it any more. The broker gives the "
        "message back after the visibility timeout (an hour by default)."
    )


def _is_nowhere(facts: WaitFacts) -> str | None:
    task = facts.task
    if task is None:
        return (
            "Its message is in no queue that is known, no worker holds it, and no event has told "
            "of it: it has ended, was never sent, or waits under another key prefix or database."
        )
    if task.series.state is TaskState.LOST:
        return f"Worker {task.series.worker} vanished while it ran, and its message is gone too."
    if task.series.state is TaskState.RETRYING:
        return "It retries, and its next message has not arrived yet."
    return (
        "Its message is in no queue and no worker holds it: the queue was purged, the message "
        "expired, or a worker that acknowledges early has lost it."
    )


RULES: tuple[Rule, ...] = (
    _runs,
    _is_held_for_its_eta,
    _is_rate_limited,
    _waits_for_a_slot_of_its_worker,
    _is_paused,
    _has_no_worker,
    _has_no_consumer,
    _consumers_hang,
    _waits_for_its_eta,
    _slots_are_busy,
    _has_ended,
    _was_fetched_by_a_lost_worker,
    _is_nowhere,
)
"""In the order of precedence. The last one always holds."""


def _place(facts: WaitFacts) -> str:
    position = facts.position
    if position is None:
        return ""
    if not position.ahead:
        return f"It is the next message of queue {position.queue}."
    higher = position.ahead_of_higher_priority
    priority = f", {higher:,} of higher priority" if higher else ""
    verb = "is" if position.ahead == 1 else "are"
    return (
        f"{words.plural(position.ahead, 'message')} {verb} ahead of it in queue "
        f"{position.queue}{priority}."
    )


def _moment(text: str, facts: WaitFacts) -> str:
    at_s = samples.parse_moment(text)
    if at_s is None:
        return text
    moment = datetime.fromtimestamp(at_s, UTC)
    return f"{words.ago(moment, facts.seen.at)} ({moment:%Y-%m-%d %H:%M:%S} UTC)"


def _listed(names: list[str]) -> str:
    shown = names[:5] + ([f"{len(names) - 5} more"] if len(names) > 5 else [])
    return ", ".join(shown[:-1]) + (" and " if len(shown) > 1 else "") + shown[-1]
