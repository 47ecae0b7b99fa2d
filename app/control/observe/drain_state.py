"""What the loop remembers of replicas that drain. The marks themselves are kept at the replicas."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from app.broker.model import NodeAnswer, NodeName
from app.control.ports import CancelledConsumers, DrainEnd, DrainOutcome, InstanceName, ScaleTarget
from app.queues import QueueName
from app.scaling.replica_state import ReplicaAnswer

REMOVAL_TIMEOUT_S = 120.0
"""A replica that was given up and is still there after this was not taken: it counts again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainState:
    """How far one replica is."""

    stop_tried_at_s: float | None = None
    stopped_at_s: float | None = None
    was_stopped: bool = False
    """A stop was confirmed, perhaps before the workers were told to go on."""
    ask_tried_at_s: float | None = None
    answer: ReplicaAnswer | None = None
    other_queues: frozenset[QueueName] = frozenset()
    """Queues that its workers consume and that the spec does not name: nobody stops those."""
    private_messages: int = 0
    """Messages that only its workers can run, and that they have not acknowledged."""
    removed_at_s: float | None = None
    consumes_nothing: bool = False
    """It was seen, awake, to consume nothing for a while: waking it would give it nothing back."""
    cancelled: Mapping[NodeName, CancelledConsumers] | None = None
    """As last written to the mark; what is read there may be older for a moment."""


DrainStates = Mapping[InstanceName, DrainState]

NO_DRAIN = DrainState()


def is_removed(note: DrainState, *, now_s: float) -> bool:
    """Whether it has been taken off the target and will be gone soon."""
    at_s = note.removed_at_s
    return at_s is not None and now_s - at_s < REMOVAL_TIMEOUT_S


def pruned(drain_states: DrainStates, present: Collection[InstanceName]) -> DrainStates:
    """Without those that are gone."""
    return {name: note for name, note in drain_states.items() if name in present}


def with_lost_consumers(
    drain_states: DrainStates, lost: Collection[InstanceName], *, marked: Collection[InstanceName]
) -> DrainStates:
    """With the replicas that have lost their consumers. One that is marked stays what it was."""
    noted = {name: drain_states.get(name, NO_DRAIN) for name in {*drain_states, *lost}}
    return {
        name: note if name in marked else replace(note, consumes_nothing=name in lost)
        for name, note in noted.items()
    }


def with_stop(note: DrainState, *, tried_at_s: float, stopped_at_s: float | None) -> DrainState:
    """After its workers were told to stop; `stopped_at_s` when all of them have confirmed."""
    if stopped_at_s is None:
        return replace(note, stop_tried_at_s=tried_at_s)
    return replace(
        note,
        stop_tried_at_s=tried_at_s,
        stopped_at_s=stopped_at_s,
        was_stopped=True,
        answer=None,
    )


def with_resume(note: DrainState) -> DrainState:
    """Before its workers are told to go on. They may do so although their word is lost: from now on
    nothing shows any more that they have stopped and hold nothing."""
    return replace(note, stopped_at_s=None, answer=None)


def with_answers(
    note: DrainState,
    nodes: Collection[NodeName],
    answers: Mapping[NodeName, NodeAnswer],
    *,
    queues: Collection[QueueName],
    tried_at_s: float,
) -> DrainState:
    """After its workers were asked; `queues` are those that the pool knows of."""
    note = replace(note, ask_tried_at_s=tried_at_s)
    answer = joint_answer(nodes, answers)
    if answer is None:
        return note
    consumed = frozenset[QueueName]().union(*(answers[node].queues for node in nodes))
    return replace(
        note,
        answer=answer,
        other_queues=consumed.difference(queues),
        private_messages=sum(answers[node].private_messages for node in nodes),
    )


def joint_answer(
    nodes: Collection[NodeName], answers: Mapping[NodeName, NodeAnswer]
) -> ReplicaAnswer | None:
    """What the workers of a replica say together; `None` unless all of them have spoken."""
    given = [answers[node] for node in nodes if node in answers]
    if not given or len(given) < len(nodes):
        return None
    return ReplicaAnswer(
        at_s=min(answer.answered_at_s for answer in given),
        held=sum(one.active + one.reserved + one.private_messages for one in given),
        is_consuming=any(answer.queues for answer in given),
    )


Drains = Mapping[InstanceName, float]
"""The replicas that drain, and since when."""


def current_drains(target: ScaleTarget) -> Drains:
    """The drains of a target."""
    return {
        one.name: one.mark.since_s
        for one in target.instances
        if one.mark is not None and not one.is_ending
    }


def ended_drains(before: Drains, target: ScaleTarget, *, now_s: float) -> tuple[DrainEnd, ...]:
    """What has ended since `before`. A clock that was set back makes no negative duration."""
    now = current_drains(target)
    staying = {one.name for one in target.instances if not one.is_ending}
    return tuple(
        DrainEnd(
            replica=name,
            outcome=DrainOutcome.WOKEN if name in staying else DrainOutcome.REMOVED,
            duration_s=max(0.0, now_s - since_s),
        )
        for name, since_s in before.items()
        if name not in now
    )
