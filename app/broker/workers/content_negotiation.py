"""Which content type the remote control of a worker accepts.

A worker takes questions only in what its `accept_content` names, and writes a traceback to its log
for every other one. So nothing is guessed that can be known: what the worker has answered in, what
other workers of its application have, what the messages in their queues are written in. Only where
none of these is known is every content type tried in turn, with pauses that double.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.broker.messages import bodies
from app.broker.model import ControlTrouble, NodeName

SILENCES_BORNE = 3
"""Unanswered questions after which a worker counts as silent. A worker that is busy in a solo pool
answers when its task has ended, so silence alone does not mean that it was not understood."""
SHORT_PAUSE_S = 30.0
"""The longest pause between questions in a content type that the application is known to use."""
LONG_PAUSE_S = 3600.0
"""The longest pause between guesses."""
NODE_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """How talking to one worker went."""

    answered_in: str | None = None
    """The content type of the last question that it has answered."""
    replied_in: str | None = None
    """The content type of that answer, which may be another one."""
    silences: int = 0
    """Questions without an answer since the last one that had one."""
    next_at_s: float = 0.0
    """No question before this."""
    unreadable: str | None = None
    """Why its last answer could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the applications on one broker."""

    in_queues: tuple[str, ...] = ()
    """Content types of messages in their queues: what their workers run, they accept."""
    answered: tuple[str, ...] = ()
    """Content types that any worker has answered in."""
    in_events: tuple[str, ...] = ()
    """Content types of events: written by a worker, not necessarily accepted by it."""


def candidates(dialogue: Dialogue, known: Known) -> tuple[str, ...]:
    """The content types to try with this worker, in order; the first ones are known to be used."""
    certain = _unique((dialogue.answered_in, *known.in_queues, *known.answered))
    is_known = dialogue.answered_in is not None or bool(known.in_queues)
    if is_known or (certain and dialogue.silences < SILENCES_BORNE):
        return certain
    others = (each for each in known.in_events if each != bodies.JSON)
    return _unique((*certain, *others, *bodies.SPOKEN))


def next_type(dialogue: Dialogue, known: Known) -> str:
    """The content type of the next question to this worker."""
    found = candidates(dialogue, known)
    if dialogue.answered_in is not None and dialogue.silences < SILENCES_BORNE:
        return dialogue.answered_in
    return found[dialogue.silences % len(found)]


def after_silence(dialogue: Dialogue, known: Known, *, now_s: float) -> Dialogue:
    """What is known after a question without any answer."""
    silences = dialogue.silences + 1
    is_certain = len(candidates(dialogue, known)) == 1
    if is_certain and silences < SILENCES_BORNE:
        pause_s = 0.0
    else:
        longest_s = SHORT_PAUSE_S if is_certain else LONG_PAUSE_S
        pause_s = min(2.0 ** min(silences, 20), longest_s)
    return replace(dialogue, silences=silences, next_at_s=now_s + pause_s)


def after_unreadable(
    dialogue: Dialogue, content_type: str, *, reason: str, now_s: float
) -> Dialogue:
    """What is known after an answer that cannot be read: the question was understood."""
    silences = dialogue.silences + 1
    pause_s = 0.0 if silences < SILENCES_BORNE else min(2.0 ** min(silences, 20), LONG_PAUSE_S)
    return Dialogue(
        answered_in=content_type,
        silences=silences,
        next_at_s=now_s + pause_s,
        unreadable=reason,
    )


def _unique(content_types: Iterable[str | None]) -> tuple[str, ...]:
    spoken = (each for each in content_types if each is not None and bodies.is_spoken(each))
    return tuple(dict.fromkeys(spoken))


class Dialects:
    """What is known of the workers of one broker. The most recently spoken to are remembered."""

    def __init__(self, *, node_limit: int = NODE_LIMIT) -> None:
        self._known = Known()
        self._dialogues: dict[NodeName, Dialogue] = {}
        self._node_limit = node_limit

    @property
    def knows_queues(self) -> bool:
        """Whether a message was seen in a queue."""
        return bool(self._known.in_queues)

    def note_queued(self, content_types: Collection[str]) -> None:
        """Messages of these types were seen in queues."""
        seen = _unique((*self._known.in_queues, *content_types))
        self._known = replace(self._known, in_queues=seen)

    def note_event(self, content_type: str) -> None:
        """An event of this type was received."""
        if content_type not in self._known.in_events:
            seen = _unique((*self._known.in_events, content_type))
            self._known = replace(self._known, in_events=seen)

    def note_answer(self, node: NodeName, content_type: str, *, replied_in: str) -> None:
        """This node has answered to a question of this type, and in which type."""
        self._keep(node, Dialogue(answered_in=content_type, replied_in=replied_in))
        answered = _unique((content_type, *self._known.answered))
        self._known = replace(self._known, answered=answered)

    def note_unreadable(
        self, nodes: Collection[NodeName], content_type: str, *, reason: str, now_s: float
    ) -> None:
        """Answers to a question of this type cannot be read; they are from some of these nodes."""
        for node in nodes:
            found = after_unreadable(self._of(node), content_type, reason=reason, now_s=now_s)
            self._keep(node, found)

    def note_silence(self, nodes: Collection[NodeName], *, now_s: float) -> None:
        """These nodes have not answered."""
        for node in nodes:
            self._keep(node, after_silence(self._of(node), self._known, now_s=now_s))

    def sorted(
        self, nodes: Collection[NodeName], *, now_s: float
    ) -> Mapping[str, Sequence[NodeName]]:
        """The nodes that may be asked now, by the content type to ask them in."""
        found: dict[str, list[NodeName]] = defaultdict(list)
        for node in nodes:
            dialogue = self._of(node)
            if dialogue.next_at_s <= now_s:
                found[next_type(dialogue, self._known)].append(node)
        return found

    def replied_in(self, node: NodeName) -> str | None:
        """The content type that this node answers in."""
        return self._of(node).replied_in

    def troubles(self) -> Mapping[NodeName, ControlTrouble]:
        """The workers that have given no answer that can be read, several times in a row."""
        return {
            node: ControlTrouble(unreadable=dialogue.unreadable)
            for node, dialogue in self._dialogues.items()
            if dialogue.silences >= SILENCES_BORNE
        }

    def _of(self, node: NodeName) -> Dialogue:
        return self._dialogues.get(node, Dialogue())

    def _keep(self, node: NodeName, dialogue: Dialogue) -> None:
        # Taken out first: the dictionary stays in the order of the last question.
        self._dialogues.pop(node, None)
        self._dialogues[node] = dialogue
        while len(self._dialogues) > self._node_limit:
            del self._dialogues[next(iter(self._dialogues))]
