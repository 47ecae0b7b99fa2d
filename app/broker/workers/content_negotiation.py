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

UNANSWERED_LIMIT = 3
"""Unanswered questions after which a worker counts as silent. A worker that is busy in a solo pool
answers when its task has ended, so silence alone does not mean that it was not understood."""
SHORT_PAUSE_S = 30.0
"""The longest pause between questions in a content type that the application is known to use."""
LONG_PAUSE_S = 3600.0
"""The longest pause between guesses."""
NODE_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyHistory:
    """How talking to one worker went."""

    answered_in: str | None = None
    """The content type of the last question that it has answered."""
    replied_in: str | None = None
    """The content type of that answer, which may be another one."""
    unanswered: int = 0
    """Questions without an answer since the last one that had one."""
    next_at_s: float = 0.0
    """No question before this."""
    unreadable: str | None = None
    """Why its last answer could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTypes:
    """What is known of the applications on one broker."""

    in_queues: tuple[str, ...] = ()
    """Content types of messages in their queues: what their workers run, they accept."""
    answered: tuple[str, ...] = ()
    """Content types that any worker has answered in."""
    in_events: tuple[str, ...] = ()
    """Content types of events: written by a worker, not necessarily accepted by it."""


def candidates(history: ReplyHistory, known: KnownTypes) -> tuple[str, ...]:
    """The content types to try with this worker, in order; the first ones are known to be used."""
    certain = _unique((history.answered_in, *known.in_queues, *known.answered))
    is_known = history.answered_in is not None or bool(known.in_queues)
    if is_known or (certain and history.unanswered < UNANSWERED_LIMIT):
        return certain
    others = (each for each in known.in_events if each != bodies.JSON)
    return _unique((*certain, *others, *bodies.WRITABLE))


def next_type(history: ReplyHistory, known: KnownTypes) -> str:
    """The content type of the next question to this worker."""
    found = candidates(history, known)
    if history.answered_in is not None and history.unanswered < UNANSWERED_LIMIT:
        return history.answered_in
    return found[history.unanswered % len(found)]


def after_unanswered(history: ReplyHistory, known: KnownTypes, *, now_s: float) -> ReplyHistory:
    """What is known after a question without any answer."""
    unanswered = history.unanswered + 1
    is_certain = len(candidates(history, known)) == 1
    if is_certain and unanswered < UNANSWERED_LIMIT:
        pause_s = 0.0
    else:
        longest_s = SHORT_PAUSE_S if is_certain else LONG_PAUSE_S
        pause_s = min(2.0 ** min(unanswered, 20), longest_s)
    return replace(history, unanswered=unanswered, next_at_s=now_s + pause_s)


def after_unreadable(
    history: ReplyHistory, content_type: str, *, reason: str, now_s: float
) -> ReplyHistory:
    """What is known after an answer that cannot be read: the question was understood."""
    unanswered = history.unanswered + 1
    pause_s = (
        0.0 if unanswered < UNANSWERED_LIMIT else min(2.0 ** min(unanswered, 20), LONG_PAUSE_S)
    )
    return ReplyHistory(
        answered_in=content_type,
        unanswered=unanswered,
        next_at_s=now_s + pause_s,
        unreadable=reason,
    )


def _unique(content_types: Iterable[str | None]) -> tuple[str, ...]:
    writable = (each for each in content_types if each is not None and bodies.is_writable(each))
    return tuple(dict.fromkeys(writable))


class ContentNegotiation:
    """What is known of the workers of one broker. Those asked last are remembered."""

    def __init__(self, *, node_limit: int = NODE_LIMIT) -> None:
        self._known = KnownTypes()
        self._histories: dict[NodeName, ReplyHistory] = {}
        self._node_limit = node_limit

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
        self._keep(node, ReplyHistory(answered_in=content_type, replied_in=replied_in))
        answered = _unique((content_type, *self._known.answered))
        self._known = replace(self._known, answered=answered)

    def note_unreadable(
        self, nodes: Collection[NodeName], content_type: str, *, reason: str, now_s: float
    ) -> None:
        """Answers to a question of this type cannot be read; they are from some of these nodes."""
        for node in nodes:
            found = after_unreadable(self._of(node), content_type, reason=reason, now_s=now_s)
            self._keep(node, found)

    def note_unanswered(self, nodes: Collection[NodeName], *, now_s: float) -> None:
        """These nodes have not answered."""
        for node in nodes:
            self._keep(node, after_unanswered(self._of(node), self._known, now_s=now_s))

    def sorted(
        self, nodes: Collection[NodeName], *, now_s: float
    ) -> Mapping[str, Sequence[NodeName]]:
        """The nodes that may be asked now, by the content type to ask them in."""
        found: dict[str, list[NodeName]] = defaultdict(list)
        for node in nodes:
            history = self._of(node)
            if history.next_at_s <= now_s:
                found[next_type(history, self._known)].append(node)
        return found

    def replied_in(self, node: NodeName) -> str | None:
        """The content type that this node answers in."""
        return self._of(node).replied_in

    def troubles(self) -> Mapping[NodeName, ControlTrouble]:
        """The workers that have given no answer that can be read, several times in a row."""
        return {
            node: ControlTrouble(unreadable=history.unreadable)
            for node, history in self._histories.items()
            if history.unanswered >= UNANSWERED_LIMIT
        }

    def _of(self, node: NodeName) -> ReplyHistory:
        return self._histories.get(node, ReplyHistory())

    def _keep(self, node: NodeName, history: ReplyHistory) -> None:
        # Taken out first: the dictionary stays in the order of the last question.
        self._histories.pop(node, None)
        self._histories[node] = history
        while len(self._histories) > self._node_limit:
            del self._histories[next(iter(self._histories))]
