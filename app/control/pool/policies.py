"""From a pool's spec, its annotations and the time: the values that decisions are bound to."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from app import cron
from app.control.pool.problems import Finding, PoolProblem, ProblemReason
from app.control.pool.spec import (
    GROUP,
    BehaviorSpec,
    DrainPolicy,
    DrainTimeout,
    FallbackSpec,
    RulesSpec,
    ScheduleSpec,
    WorkerPoolSpec,
)
from app.control.pool.worker_pool import WorkerPool
from app.scaling import replica_state
from app.scaling.sizing_inputs import (
    BacklogPerReplica,
    Behavior,
    Fallback,
    Override,
    QueueWait,
    RatePolicy,
    ScalingPolicy,
    ScalingRules,
    SizingTarget,
)


def build_policy(pool: WorkerPool, *, now_s: float) -> ScalingPolicy:
    """The policy in force at this moment.

    Raises:
        PoolProblem: a schedule or an annotation cannot be read.
    """
    spec = pool.spec
    in_force = bounds(
        spec.schedules, minimum=spec.min_replicas, maximum=spec.max_replicas, now_s=now_s
    )
    return ScalingPolicy(
        min_replicas=in_force.minimum,
        max_replicas=in_force.maximum,
        slots_per_replica=spec.concurrency,
        target=_target(spec),
        activation_depth=spec.activation_threshold,
        cooldown_s=float(spec.cooldown_period_seconds),
        behavior=_behavior(spec.behavior),
        fallback=_fallback(spec.fallback),
        override=override(pool.annotations, replicas=spec.replicas),
        schedules=in_force.schedules,
    )


def findings(pool: WorkerPool, *, now_s: float) -> tuple[Finding, ...]:
    """All that is wrong with what the owner of a pool has written, beyond the schema."""
    return (
        *_annotation_findings(pool.annotations),
        *_schedule_findings(pool.spec.schedules, now_s=now_s),
    )


def build_drain_policy(spec: WorkerPoolSpec) -> replica_state.DrainSettings:
    """How replicas of this pool are taken away."""
    return replica_state.DrainSettings(
        is_idle_first=spec.drain.policy is DrainPolicy.IDLE_FIRST,
        timeout_s=float(spec.drain.timeout_seconds),
        ends_busy=spec.drain.on_timeout is DrainTimeout.RETIRE,
    )


def _target(spec: WorkerPoolSpec) -> SizingTarget:
    if spec.target.queue_wait_seconds is not None:
        return QueueWait(wait_s=spec.target.queue_wait_seconds)
    return BacklogPerReplica(messages=spec.target.backlog_per_replica or 1)


def _fallback(spec: FallbackSpec | None) -> Fallback | None:
    if spec is None:
        return None
    return Fallback(
        failure_threshold=spec.failure_threshold,
        behavior=spec.behavior,
        replicas=spec.replicas if spec.replicas is not None else 0,
    )


def _behavior(spec: BehaviorSpec) -> Behavior:
    usual = Behavior()
    return Behavior(
        scale_up=_rules(spec.scale_up, usual.scale_up),
        scale_down=_rules(spec.scale_down, usual.scale_down),
    )


def _rules(spec: RulesSpec, usual: ScalingRules) -> ScalingRules:
    window_s, tolerance = spec.stabilization_window_seconds, spec.tolerance
    return ScalingRules(
        stabilization_window_s=usual.stabilization_window_s
        if window_s is None
        else float(window_s),
        select_policy=spec.select_policy,
        policies=tuple(
            RatePolicy(type=each.type, value=each.value, period_s=float(each.period_seconds))
            for each in spec.policies
        ),
        tolerance_ratio=usual.tolerance_ratio if tolerance is None else tolerance,
    )


PAUSED = f"{GROUP}/paused"
"""`true`: the size stays as it is."""
PAUSED_REPLICAS = f"{GROUP}/paused-replicas"
"""A number: the size is this until the annotation is taken off."""
PAUSED_SCALE_IN = f"{GROUP}/paused-scale-in"
"""`true`: the pool does not shrink."""
PAUSED_SCALE_OUT = f"{GROUP}/paused-scale-out"
"""`true`: the pool does not grow."""
FORCE_ACTIVATION = f"{GROUP}/force-activation"
"""`true`: the pool keeps at least one replica."""
CELERY_POOL = f"{GROUP}/celery-pool"
"""For local pools: what `celery worker --pool` gets, a name of Celery's or the dotted path of a
class. Without it the application's configuration decides. In a cluster the target does."""

KNOWN = (
    *(PAUSED, PAUSED_REPLICAS, PAUSED_SCALE_IN, PAUSED_SCALE_OUT, FORCE_ACTIVATION),
    CELERY_POOL,
)

_TRUTH = {"true": True, "false": False}
_SIMILAR_RATIO = 0.6
"""Of the part behind the prefix; difflib's own default."""


def override(annotations: Mapping[str, str], *, replicas: int | None) -> Override:
    """What the annotations ask for; `replicas` is the pool's own `spec.replicas`.

    Raises:
        PoolProblem: one of our annotations has a value that cannot be used (`INVALID_ANNOTATION`).
    """
    paused_at = _number(annotations, PAUSED_REPLICAS)
    return Override(
        is_paused=_flag(annotations, PAUSED) or paused_at is not None,
        replicas=paused_at if paused_at is not None else replicas,
        is_shrinking_paused=_flag(annotations, PAUSED_SCALE_IN),
        is_growing_paused=_flag(annotations, PAUSED_SCALE_OUT),
        is_activated=_flag(annotations, FORCE_ACTIVATION),
    )


def _annotation_findings(annotations: Mapping[str, str]) -> Iterator[Finding]:
    """Every annotation of ours that has no meaning, or a value that cannot be used."""
    for name in sorted(annotations):
        try:
            _check_annotation(annotations, name)
        except PoolProblem as problem:
            yield problem.finding


def _check_annotation(annotations: Mapping[str, str], name: str) -> None:
    if name == CELERY_POOL:
        return
    if name in KNOWN:
        read: Callable[[Mapping[str, str], str], object]
        read = _number if name == PAUSED_REPLICAS else _flag
        read(annotations, name)
    elif name.startswith(f"{GROUP}/"):
        raise PoolProblem(ProblemReason.UNKNOWN_ANNOTATION, _spelling_advice(name))


def _spelling_advice(name: str) -> str:
    """
    >>> _spelling_advice("celeriac.dev/paussed")
    'the annotation celeriac.dev/paussed has no effect; did you mean celeriac.dev/paused?'
    """
    known = {each.removeprefix(f"{GROUP}/"): each for each in KNOWN}
    written = name.removeprefix(f"{GROUP}/")
    similar = difflib.get_close_matches(written.lower(), known, n=1, cutoff=_SIMILAR_RATIO)
    if similar:
        way_out = f"did you mean {known[similar[0]]}?"
    else:
        way_out = f"the annotations of a pool are {', '.join(KNOWN)}"
    return f"the annotation {name} has no effect; {way_out}"


def _flag(annotations: Mapping[str, str], name: str) -> bool:
    text = annotations.get(name, "false")
    value = _TRUTH.get(text.strip().lower())
    if value is None:
        raise _invalid_annotation(name, text, wanted="true or false")
    return value


def _number(annotations: Mapping[str, str], name: str) -> int | None:
    text = annotations.get(name)
    if text is None:
        return None
    if not text.strip().isdecimal():
        raise _invalid_annotation(name, text, wanted="a number of replicas")
    return int(text)


def _invalid_annotation(name: str, text: str, *, wanted: str) -> PoolProblem:
    return PoolProblem(
        ProblemReason.INVALID_ANNOTATION, f"the annotation {name} is {text!r}: write {wanted}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Minimum and maximum in force, and the names of the schedules that have set them."""

    minimum: int
    maximum: int
    schedules: tuple[str, ...] = ()


def bounds(
    schedules: Sequence[ScheduleSpec], *, minimum: int, maximum: int, now_s: float
) -> Bounds:
    """The pool's own bounds, replaced by those of the windows that are open.

    Of several open windows the highest minimum and the lowest maximum count, and the maximum is
    the stronger one.

    Raises:
        PoolProblem: an expression cannot be read, or never comes true (`INVALID_SCHEDULE`).
    """
    minute = int(now_s // 60)
    opened = [window for window in schedules if _is_open(window, minute=minute)]
    floors = [window.min_replicas for window in opened if window.min_replicas is not None]
    ceilings = [window.max_replicas for window in opened if window.max_replicas is not None]
    ceiling = min(ceilings, default=maximum)
    return Bounds(
        minimum=min(max(floors, default=minimum), ceiling),
        maximum=ceiling,
        schedules=tuple(window.name for window in opened),
    )


def _schedule_findings(schedules: Sequence[ScheduleSpec], *, now_s: float) -> Iterator[Finding]:
    """Every schedule that cannot be used."""
    for window in schedules:
        try:
            _is_open(window, minute=int(now_s // 60))
        except PoolProblem as problem:
            yield problem.finding


@lru_cache(maxsize=4096)
def _is_open(window: ScheduleSpec, *, minute: int) -> bool:
    """Whether the window has been opened more recently than closed, at a minute of the epoch."""
    instant = datetime.fromtimestamp(minute * 60, tz=UTC)
    local = cron.wall_clock(instant, ZoneInfo(window.timezone))
    started = _last_match(window.start, local, window=window.name)
    ended = _last_match(window.end, local, window=window.name)
    return started > ended


def _last_match(expression: str, local: datetime, *, window: str) -> datetime:
    """The last moment at or before `local` that the expression names."""
    try:
        return cron.last(expression, local)
    except ValueError as exc:
        message = f"schedule {window!r}: cron expression {expression!r} cannot be used: {exc}"
        raise PoolProblem(ProblemReason.INVALID_SCHEDULE, message) from exc
