"""What each rule did to a size, as data and as sentences.

Status, events, `pools explain` and the console show the same sentences.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """A rule that can set or change a size. The last one that applied is the reason for it."""

    DEMAND = "Demand"
    TOLERANCE = "WithinTolerance"
    ACTIVATION = "BelowActivation"
    COOLDOWN = "Cooldown"
    HELD_MESSAGES = "HeldMessages"
    """Unacknowledged messages without a worker (ETA tasks, a dead worker): one replica stays."""
    SCHEDULED_MESSAGES = "ScheduledMessages"
    """Messages with a future ETA that no worker has fetched: one has to be there by then."""
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
    """One rule that applied: the size after it, and the figures that it used."""

    rule: Rule
    replicas: int
    figures: tuple[tuple[str, Figure], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many replicas should take work, and every rule that applied."""

    replicas: int
    reason: Rule
    steps: tuple[Step, ...]

    def has(self, rule: Rule) -> bool:
        """Whether this rule applied."""
        return any(step.rule is rule for step in self.steps)


_TEXTS: dict[Rule, str] = {
    Rule.TOLERANCE: "The demand is within {tolerance} of the current size, {size}",
    Rule.ACTIVATION: "The pool stays at zero until more than {threshold} wait",
    Rule.COOLDOWN: "The last replica stays for another {left_s} (cooldown)",
    Rule.SCHEDULED_MESSAGES: "One replica stays for {scheduled} with an ETA",
    Rule.FORCED_ACTIVE: "The annotation celeriac.dev/force-activation keeps one replica",
    Rule.STABILIZATION: "Stabilized at {size}, the {side} demand of the last {window_s} "
    "(now {recommended})",
    Rule.LATE: "Not reduced: the oldest message has waited {age_s}, the target is {target_s}",
    Rule.BURST: "Not reduced for another {left_s} after a burst",
    Rule.UNHEARD: "Not reduced: the worker heartbeats are not known yet",
    Rule.BUSY: "Not reduced below {size} because of {running}",
    Rule.RATE: "A rate policy allows {size} now, {wanted} needed",
    Rule.GROWING_PAUSED: "Growing is paused: the pool stays at {size}, {wanted} needed",
    Rule.SHRINKING_PAUSED: "Shrinking is paused: the pool stays at {size}, {wanted} needed",
    Rule.PAUSED: "Paused at {size}",
    Rule.FIXED: "Fixed at {size} by hand",
    Rule.BLIND: "The queues cannot be read (attempt {failures}): the pool stays at {size}",
    Rule.FALLBACK: "The queues cannot be read (attempt {failures}): "
    "the fallback {behavior} sets {size}",
}
_NOUNS = {
    (Rule.ACTIVATION, "threshold"): "message",
    (Rule.SCHEDULED_MESSAGES, "scheduled"): "message",
    (Rule.BUSY, "running"): "running task",
}
_RATIOS = frozenset({"tolerance"})


def paragraph(sentences: Iterable[str]) -> str:
    """
    >>> paragraph(["Idle: nothing waits or runs", "minReplicas is 1, 0 needed"])
    'Idle: nothing waits or runs. minReplicas is 1, 0 needed'
    """
    return ". ".join(sentences)


def sentences(decision: Decision) -> tuple[str, ...]:
    """A sentence for each rule that took part, in order."""
    return tuple(sentence(step) for step in decision.steps)


def sentence(step: Step) -> str:
    """What this rule did, with its numbers."""
    figures = dict(step.figures)
    match step.rule:
        case Rule.DEMAND:
            return _demand(step.replicas, figures)
        case Rule.HELD_MESSAGES:
            return _held(figures)
        case Rule.MINIMUM | Rule.MAXIMUM:
            return _bound(step, figures)
        case rule:
            shown = {name: _shown(name, value) for name, value in figures.items()}
            nouns = {
                name: counted(shown[name], _NOUNS[rule, name])
                for name in shown
                if (rule, name) in _NOUNS
            }
            size = counted(str(step.replicas), "replica")
            return _TEXTS[rule].format(size=size, **(shown | nouns))


def _demand(replicas: int, figures: dict[str, Figure]) -> str:
    waiting, running, held = (figures[name] for name in ("waiting", "running", "held"))
    if not (waiting or running or held):
        return "Idle: nothing waits or runs"
    shown = {name: _shown(name, value) for name, value in figures.items()}
    if not figures["slots"]:
        return _only_running(shown)
    return f"{_work(figures).format(**shown)}: {_need(replicas, shown)}"


def _only_running(shown: dict[str, str]) -> str:
    """No slot is needed although there is work: what runs ends, and takes the rest with it."""
    one = shown["running"] == "1"
    tasks, replicas = counted(shown["running"], "running task"), "its replica goes"
    if not one:
        replicas = "their replicas go"
    if shown["waiting"] == "0" and shown["held"] == "0":
        return f"Nothing arrives; {tasks} {'finishes' if one else 'finish'} before {replicas}"
    left = [f"{shown[name]} {word}" for name, word in _LEFT if shown[name] != "0"]
    return f"Nothing arrives; the slots of {tasks} free up in time for {' and '.join(left)}"


_LEFT = (("waiting", "waiting"), ("held", "prefetched"))


def _held(figures: dict[str, Figure]) -> str:
    held, scheduled = (_shown(name, figures[name]) for name in ("held", "scheduled"))
    messages = "an unknown number of unacknowledged messages"
    if figures["held"] is not None:
        messages = counted(held, "unacknowledged message")
    return f"One replica stays for {messages} ({scheduled} with an ETA) that no worker runs"


def _work(figures: dict[str, Figure]) -> str:
    parts = ["{waiting} waiting", "{running} running"]
    if figures["held"]:
        parts.append("{held} prefetched")
    if figures["runtime_s"] is None:
        parts.append("run time not known yet")
    else:
        rate = figures["arrival_rate"]
        parts.append("{arrival_rate}/s arriving" if rate is not None else "arrival rate not known")
        parts.append("{runtime_s} each")
    return ", ".join(parts)


def _need(replicas: int, shown: dict[str, str]) -> str:
    each = counted(shown["slots_per_replica"], "slot")
    return (
        f"{counted(shown['slots'], 'slot')} needed, {counted(str(replicas), 'replica')} of {each}"
    )


def counted(number: str, noun: str) -> str:
    """
    >>> counted("1", "task"), counted("2.5", "slot")
    ('1 task', '2.5 slots')
    """
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"


def _bound(step: Step, figures: dict[str, Figure]) -> str:
    name = "minReplicas" if step.rule is Rule.MINIMUM else "maxReplicas"
    by = f" (schedule {figures['schedules']})" if figures["schedules"] else ""
    return f"{name} is {step.replicas}{by}, {figures['wanted']} needed"


def _shown(name: str, value: Figure) -> str:
    """Figures as people read them; the unit comes from the name."""
    if value is None:
        return "an unknown number"
    if name in _RATIOS:
        return f"{value:.0%}"
    if isinstance(value, float):
        value = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value} s" if name.endswith("_s") else str(value)
