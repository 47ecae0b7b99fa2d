"""What the loop finds wrong with a pool: one function for each finding, with its message.

Adapters raise a `PoolProblem` with a message of their own.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from app.broker import redis_keys
from app.broker.model import BrokerReading, ControlTrouble, MisnamedQueue, NodeName, host_of
from app.control.decide.missing_consumers import MissingConsumers, QueueMismatch, Remedy
from app.control.observe.broker_view import WorkerHeartbeats
from app.control.pool.problems import Finding, ProblemReason
from app.control.pool.references import BrokerSpec
from app.control.ports import Instance

NAMES_SHOWN = 3


def misnamed(queues: Sequence[MisnamedQueue]) -> Finding:
    """Queues that look empty because the application names their keys differently."""
    names = listed([one.queue for one in queues])
    first = queues[0]
    separator = "unknown" if first.separator is None else repr(first.separator)
    is_prefix = first.separator == redis_keys.SEPARATOR
    differing = f"key prefix {first.prefix!r}" if is_prefix else f"separator (sep) {separator}"
    way_out = (
        "set broker.keyPrefix to the application's global_keyprefix"
        if is_prefix
        else "keep kombu's default for sep in its broker_transport_options; with another one, "
        "messages with a priority are not counted"
    )
    return Finding(
        ProblemReason.KEYS_DIFFER,
        f"the broker has {names} with the {differing}, not with that of this pool: {way_out}",
    )


def no_heartbeats(replicas: Sequence[str], exchange: str, *, why: str = "") -> Finding:
    """Replicas that are ready for a while and have not sent a heartbeat."""
    why = why or (
        "workers must send heartbeats (no --without-heartbeat) through the event_exchange of "
        "spec.broker, and have a node name that ends in @ and the host name"
    )
    return Finding(
        ProblemReason.WORKERS_UNHEARD,
        f"no heartbeat on {exchange} from {listed(replicas)}, so they are never removed: {why}",
    )


def replies_unreadable(nodes: Sequence[str], reason: str | None) -> Finding:
    """Workers that reply in a format that is unknown or unsafe to decode."""
    return Finding(
        ProblemReason.REPLIES_UNREADABLE,
        f"the remote control replies of {listed(nodes)} cannot be decoded ({reason}), so their "
        "replicas are not drained: set the application's task_serializer to json, msgpack, yaml or "
        "pickle, and spec.concurrency",
    )


def replies_missing(nodes: Sequence[str], exchange: str, *, way: str | None) -> Finding:
    """Workers that send heartbeats and do not reply."""
    why = (
        f"they expect requests elsewhere: in spec.broker, set {way}"
        if way
        else "a solo pool does not reply while it runs a task; otherwise remote control is off, or "
        "accept_content has none of json, pickle, msgpack and yaml"
    )
    return Finding(
        ProblemReason.REPLIES_MISSING,
        f"no remote control reply from {listed(nodes)} on {exchange}.pidbox, so their replicas "
        f"are drained by their heartbeats alone, after drain.timeoutSeconds: {why}",
    )


def slots_unknown() -> Finding:
    """Workers that reply without their concurrency."""
    return Finding(
        ProblemReason.SLOTS_UNKNOWN,
        "workers do not report their concurrency (Celery does not write its statistics as YAML), "
        "so the highest number of tasks seen running is used: set spec.concurrency",
    )


def other_queues(queues: Sequence[str]) -> Finding:
    """Queues that a drain does not stop, so it does not end."""
    return Finding(
        ProblemReason.OTHER_QUEUES,
        f"draining replicas also consume {', '.join(queues)}, which spec.queues does not name: "
        "they stay until it is added",
    )


def queues_differ(found: QueueMismatch) -> Finding:
    """The spec names other queues than the workers consume."""
    ways = []
    if found.unserved:
        ways.append(
            f"no worker consumes {', '.join(found.unserved)}, so messages there wait: correct the "
            "name in spec.queues, or add it to the workers' --queues"
        )
    if found.unnamed:
        ways.append(
            f"{', '.join(found.unnamed)} is not in spec.queues, so its messages are not counted "
            "and the replicas that consume it are not removed: add it to spec.queues, or stop "
            "consuming it ('celery control cancel_consumer', if no --queues names it)"
        )
    return Finding(
        ProblemReason.QUEUES_DIFFER,
        f"workers consume {', '.join(found.consumed)}; spec.queues names "
        f"{', '.join(found.named)}: {'; '.join(ways)}",
    )


_REMEDIES = {
    Remedy.GIVEN_BACK: "told to consume again",
    Remedy.LEFT: "lost again after they were restored, so they are cancelled on purpose: "
    "'celery control add_consumer' restores them",
    Remedy.UNKNOWN: "its queues are not known, so restart it",
}


def not_consuming(found: Sequence[MissingConsumers]) -> Finding:
    """Workers that run and do not consume what they should."""
    by_remedy = {
        remedy: [one for one in found if one.remedy is remedy]
        for remedy in Remedy
        if any(one.remedy is remedy for one in found)
    }
    listing = "; ".join(
        f"{listed([_lacking(one) for one in those])} ({_REMEDIES[remedy]})"
        for remedy, those in by_remedy.items()
    )
    return Finding(
        ProblemReason.WORKERS_NOT_CONSUMING,
        f"{listing}. A replica that consumes nothing does not count and is replaced",
    )


def _lacking(one: MissingConsumers) -> str:
    if one.consumes_nothing:
        return f"{one.replica} consumes nothing"
    return f"{one.replica} does not consume {' and '.join(one.queues)}"


def private_messages(replicas: Sequence[str], messages: int) -> Finding:
    """Messages that only the workers of a draining replica can run."""
    return Finding(
        ProblemReason.PRIVATE_MESSAGES,
        f"{listed(replicas)} first runs the messages of its own queues (worker_direct: "
        f"{messages}), which no other worker can run",
    )


def not_started(replicas: Sequence[str], *, longest_s: float) -> Finding:
    """Workers that have sent no heartbeat in a time in which others did."""
    return Finding(
        ProblemReason.WORKERS_NOT_STARTED,
        f"no heartbeat from {listed(replicas)} since the start; other replicas took at most "
        f"{longest_s:.0f} s. They do not count, and are removed once enough others run. "
        "Check their logs",
    )


def grace_period_short(*, grace_s: float, runtime_s: float) -> Finding:
    """A grace period that is shorter than the usual task."""
    return Finding(
        ProblemReason.GRACE_PERIOD_SHORT,
        f"tasks run for {runtime_s:.0f} s on average, but replicas get {grace_s:.0f} s to end: an "
        "eviction or a rollout interrupts tasks. Set terminationGracePeriodSeconds above the "
        "longest task",
    )


def overdue(replicas: Sequence[str]) -> Finding:
    """Drains that take longer than `drain.timeoutSeconds`."""
    return Finding(
        ProblemReason.DRAIN_OVERDUE,
        f"still busy after drain.timeoutSeconds: {listed(replicas)}. Their tasks are not "
        "interrupted unless drain.onTimeout is Retire",
    )


def shrinks_to_zero_only() -> Finding:
    """A target that removes replicas in an unknown order."""
    return Finding(
        ProblemReason.SHRINKS_TO_ZERO_ONLY,
        "which replica the target would remove is not known (it is not a Deployment or "
        "StatefulSet, or a rollout is in progress), so the pool only shrinks to zero; "
        "drain.policy None shrinks it regardless of running tasks",
    )


def fixed_out_of_bounds(replicas: int, *, minimum: int, maximum: int) -> Finding:
    """A size that is set by hand and outside the bounds."""
    bound = f"above maxReplicas {maximum}" if replicas > maximum else f"below minReplicas {minimum}"
    return Finding(
        ProblemReason.FIXED_OUT_OF_BOUNDS,
        f"the size is fixed at {replicas}, {bound}; remove spec.replicas (or the annotation "
        "celeriac.dev/paused-replicas) to size by demand again",
    )


def listed(names: Sequence[str]) -> str:
    """The first few.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    shown = ", ".join(names[:NAMES_SHOWN])
    left = len(names) - NAMES_SHOWN
    return f"{shown} and {left} more" if left > 0 else shown


SURVEYED = frozenset((ProblemReason.WORKERS_UNHEARD, ProblemReason.REPLIES_MISSING))
"""Findings whose cause may be exchange names, which a survey of the broker finds."""


def needs_survey(found: Iterable[Finding]) -> bool:
    """Whether to survey the broker for other exchange names."""
    return any(one.reason in SURVEYED for one in found)


def of_contact(
    broker: BrokerSpec,
    reading: BrokerReading,
    heartbeats: WorkerHeartbeats,
    instances: Collection[Instance],
    *,
    silent: Sequence[str],
    now_s: float,
) -> Iterator[Finding]:
    """Everything that is wrong with the heartbeats and replies of a pool's workers."""
    if silent:
        lost = [one for one in instances if one.name in silent]
        yield _of_silence(broker, reading, silent, lost)
    awake = [node for one in instances for node in heartbeats.live_nodes(one, now_s=now_s)]
    troubles = {node: reading.troubles[node] for node in awake if node in reading.troubles}
    if troubles:
        yield from _of_replies(broker, reading, troubles)


def _of_silence(
    broker: BrokerSpec, reading: BrokerReading, silent: Sequence[str], lost: Sequence[Instance]
) -> Finding:
    exchange = broker.exchanges.events
    found = _ways(reading.elsewhere.events, [node for one in lost for node in one.nodes], lost)
    if found:
        return no_heartbeats(
            silent,
            exchange,
            why=f"their workers send heartbeats elsewhere: in spec.broker, set {found[0]}",
        )
    if reading.unreadable_events is not None:
        why = (
            f"events arrive that cannot be decoded ({reading.unreadable_events}): set the "
            "application's event_serializer to json, msgpack, yaml or pickle"
        )
        return no_heartbeats(silent, exchange, why=why)
    others = sorted(set(reading.elsewhere.events.values()))
    if others:
        why = (
            "other workers of this broker send heartbeats elsewhere "
            f"({'; '.join(others[:3])}). If they belong to this pool, set spec.broker accordingly, "
            "and node names that end in @ and the host name"
        )
        return no_heartbeats(silent, exchange, why=why)
    return no_heartbeats(silent, exchange)


def _of_replies(
    broker: BrokerSpec, reading: BrokerReading, troubles: Mapping[NodeName, ControlTrouble]
) -> Iterator[Finding]:
    unreadable = {node: one.unreadable for node, one in troubles.items() if one.unreadable}
    missing = [node for node in troubles if node not in unreadable]
    if unreadable:
        yield replies_unreadable(list(unreadable), next(iter(unreadable.values())))
    if missing:
        named = [node for node in missing if node in reading.elsewhere.control]
        way = reading.elsewhere.control[named[0]] if named else None
        yield replies_missing(missing, broker.exchanges.control, way=way)


def _ways(
    elsewhere: Mapping[NodeName, str], nodes: Collection[NodeName], lost: Collection[Instance]
) -> list[str]:
    """The settings for these replicas, if the survey has found their workers."""
    hosts = {one.host for one in lost if one.host is not None and not one.nodes}
    return [way for node, way in elsewhere.items() if node in nodes or host_of(node) in hosts]
