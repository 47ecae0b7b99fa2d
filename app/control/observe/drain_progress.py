"""What the loop remembers of replicas that drain. The marks themselves are kept at the replicas."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from app.broker.model import NodeAnswer, NodeName
from app.control.ports import Cancelled, InstanceName
from app.queues import QueueName
from app.scaling.crew import Answer

GIVEN_UP_S = 120.0
"""A replica that was given up and is still there after this was not taken: it counts again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """How far one replica is."""

    stop_tried_at_s: float | None = None
    stopped_at_s: float | None = None
    was_stopped: bool = False
    """A stop was confirmed, perhaps before the workers were told to go on."""
    ask_tried_at_s: float | None = None
    answer: Answer | None = None
    other_queues: frozenset[QueueName] = frozenset()
    """Queues that its workers consume and that the spec does not name: nobody stops those."""
    private_messages: int = 0
    """Messages that only its workers can run, and that they have not acknowledged."""
    given_up_at_s: float | None = None
    consumes_nothing: bool = False
    """It was seen, awake, to consume nothing for a while: waking it would give it nothing back."""
    cancelled: Mapping[NodeName, Cancelled] | None = None
    """As last written to the mark; what is read there may be older for a moment."""


Notes = Mapping[InstanceName, Note]

NO_NOTE = Note()


def is_given_up(note: Note, *, now_s: float) -> bool:
    """Whether it has been taken off the target and will be gone soon."""
    at_s = note.given_up_at_s
    return at_s is not None and now_s - at_s < GIVEN_UP_S


def pruned(notes: Notes, present: Collection[InstanceName]) -> Notes:
    """Without those that are gone."""
    return {name: note for name, note in notes.items() if name in present}


def with_lost(
    notes: Notes, lost: Collection[InstanceName], *, marked: Collection[InstanceName]
) -> Notes:
    """With the replicas that have lost their consumers. One that is marked stays what it was."""
    noted = {name: notes.get(name, NO_NOTE) for name in {*notes, *lost}}
    return {
        name: note if name in marked else replace(note, consumes_nothing=name in lost)
        for name, note in noted.items()
    }


def with_stop(note: Note, *, tried_at_s: float, stopped_at_s: float | None) -> Note:
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


def with_resume(note: Note) -> Note:
    """Before its workers are told to go on. They may do so although their word is lost: from now on
    nothing shows any more that they have stopped and hold nothing."""
    return replace(note, stopped_at_s=None, answer=None)


def with_answers(
    note: Note,
    nodes: Collection[NodeName],
    answers: Mapping[NodeName, NodeAnswer],
    *,
    queues: Collection[QueueName],
    tried_at_s: float,
) -> Note:
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
) -> Answer | None:
    """What the workers of a replica say together; `None` unless all of them have spoken."""
    given = [answers[node] for node in nodes if node in answers]
    if not given or len(given) < len(nodes):
        return None
    return Answer(
        at_s=min(answer.answered_at_s for answer in given),
        held=sum(one.active + one.reserved + one.private_messages for one in given),
        is_consuming=any(answer.queues for answer in given),
    )
