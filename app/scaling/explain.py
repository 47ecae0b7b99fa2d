"""Sentences from steps: the same words in events, status, `pools explain` and the console."""

from app.scaling.steps import Decision, Figure, Rule, Step

_TEXTS: dict[Rule, str] = {
    Rule.TOLERANCE: "within {tolerance} of what there is: stays at {replicas}",
    Rule.ACTIVATION: "stays at zero until more than {threshold} messages wait",
    Rule.COOLDOWN: "no work, keeps the last replica for {left_s} more",
    Rule.HELD_MESSAGES: "{held} unacknowledged messages ({scheduled} with an ETA) and nobody runs "
    "them: one replica has to be there for them",
    Rule.FORCED_ACTIVE: "kept active by annotation",
    Rule.STABILIZATION: "stabilized at {replicas}, the {side} of the last {window_s} "
    "({recommended} wanted now)",
    Rule.LATE: "not lowered: the oldest message has waited {age_s}, the target is {target_s}",
    Rule.BURST: "not lowered for {left_s} after a burst",
    Rule.UNHEARD: "not lowered: heartbeats of the workers have not been heard yet",
    Rule.BUSY: "not below what runs {running} tasks: {replicas}",
    Rule.RATE: "rate policy allows {replicas} now, {wanted} wanted",
    Rule.GROWING_PAUSED: "growing is paused: stays at {replicas}, {wanted} wanted",
    Rule.SHRINKING_PAUSED: "shrinking is paused: stays at {replicas}, {wanted} wanted",
    Rule.PAUSED: "paused at {replicas} replicas",
    Rule.FIXED: "fixed at {replicas} replicas by hand",
    Rule.BLIND: "no answer from the broker (time {failures} in a row): held at {replicas}",
    Rule.FALLBACK: "no answer from the broker (time {failures} in a row): fallback "
    "{behavior} gives {replicas}",
}


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
            return _TEXTS[rule].format(replicas=step.replicas, **shown)


def _demand(replicas: int, figures: dict[str, Figure]) -> str:
    shown = {name: _shown(name, value) for name, value in figures.items()}
    parts = ["{waiting} waiting", "{running} running"]
    if figures["held"]:
        parts.append("{held} held by workers")
    if figures["runtime_s"] is None:
        parts.append("run time not known yet")
    else:
        parts.append("{arrival_rate}/s arriving, {runtime_s} each")
    work = ", ".join(parts).format(**shown)
    slots, size = _counted(shown["slots"], "slot"), _counted(str(replicas), "replica")
    return f"{work}: {slots}, {size} of {_counted(shown['slots_per_replica'], 'slot')}"


def _counted(number: str, noun: str) -> str:
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"


def _bound(step: Step, figures: dict[str, Figure]) -> str:
    name = "minReplicas" if step.rule is Rule.MINIMUM else "maxReplicas"
    by = f" by schedule {figures['schedules']}" if figures["schedules"] else ""
    return f"{name} is {step.replicas}{by}, {figures['wanted']} wanted"


def _shown(name: str, value: Figure) -> str:
    """Figures as people read them; the unit comes from the name."""
    if value is None:
        return "an unknown number"
    if isinstance(value, float):
        value = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value} s" if name.endswith("_s") else str(value)
