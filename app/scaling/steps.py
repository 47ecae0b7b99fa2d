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


_TEXTS: dict[Rule, str] = {
    Rule.TOLERANCE: "the need is within {tolerance} of the current size, which stays {replicas}",
    Rule.ACTIVATION: "stays at zero until more than {threshold} messages wait",
    Rule.COOLDOWN: "no work: the last replica stays for another {left_s}",
    Rule.HELD_MESSAGES: "{held} messages are unacknowledged ({scheduled} with an ETA) and no "
    "worker runs them: one replica is kept for them",
    Rule.SCHEDULED_MESSAGES: "{scheduled} messages wait for their ETA: one replica holds them "
    "until then",
    Rule.FORCED_ACTIVE: "the annotation celeriac.dev/force-activation keeps one replica",
    Rule.STABILIZATION: "stabilized at {replicas}, the {side} need of the last {window_s} "
    "({recommended} now)",
    Rule.LATE: "not reduced: the oldest message has waited {age_s}, the target is {target_s}",
    Rule.BURST: "not reduced for another {left_s} after a burst",
    Rule.UNHEARD: "not reduced: the heartbeats of the workers are not known yet",
    Rule.BUSY: "not reduced below {replicas} while {running} run",
    Rule.RATE: "a rate policy allows {replicas} now, {wanted} needed",
    Rule.GROWING_PAUSED: "growing is paused: stays at {replicas}, {wanted} needed",
    Rule.SHRINKING_PAUSED: "shrinking is paused: stays at {replicas}, {wanted} needed",
    Rule.PAUSED: "paused at {size}",
    Rule.FIXED: "fixed at {size} by hand",
    Rule.BLIND: "the queues cannot be read (attempt {failures}): stays at {size}",
    Rule.FALLBACK: "the queues cannot be read (attempt {failures}): "
    "fallback {behavior} gives {size}",
}
_NOUNS = {"running": "task"}
_RATIOS = frozenset({"tolerance"})


def sentences(decision: Decision) -> tuple[str, ...]:
    """A sentence for each rule that had a say, in order."""
    return tuple(sentence(step) for step in decision.steps)


def sentence(step: Step) -> str:
    """What this rule did, with its numbers."""
    figures = dict(step.figures)
    match step.rule:
        case Rule.DEMAND:
            return _demand(step.replicas, figures)
        case Rule.MINIMUM | Rule.MAXIMUM:
            return _bound(step, figures)
        case rule:
            shown = {name: _shown(name, value) for name, value in figures.items()}
            named = {name: counted(shown[name], _NOUNS[name]) for name in shown if name in _NOUNS}
            size = counted(str(step.replicas), "replica")
            return _TEXTS[rule].format(replicas=step.replicas, size=size, **(shown | named))


def _demand(replicas: int, figures: dict[str, Figure]) -> str:
    waiting, running, held = (figures[name] for name in ("waiting", "running", "held"))
    if not (waiting or running or held):
        return "nothing waits or runs"
    shown = {name: _shown(name, value) for name, value in figures.items()}
    if not figures["slots"]:
        tasks, whose = counted(shown["running"], "running task"), "its" if running == 1 else "their"
        ends, replica = ("ends", "replica goes") if running == 1 else ("end", "replicas go")
        return f"nothing waits or arrives: {tasks} {ends} before {whose} {replica}"
    return f"{_work(figures).format(**shown)}: {_need(replicas, shown)}"


def _work(figures: dict[str, Figure]) -> str:
    parts = ["{waiting} waiting", "{running} running"]
    if figures["held"]:
        parts.append("{held} prefetched")
    if figures["runtime_s"] is None:
        parts.append("run time not known yet")
    else:
        parts.append("{arrival_rate}/s arriving, {runtime_s} each")
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
    by = f" by schedule {figures['schedules']}" if figures["schedules"] else ""
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
