"""Chooses the content type of questions to the remote control of a worker.

A worker accepts only the content types in `accept_content`, and logs a traceback for every other
one. So known types come first: that of its own answers, of other workers' answers, of the messages
in their queues. Only if none is known, every content type is tried, with pauses that double.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.broker.messages import bodies
from app.broker.model import ControlTrouble, NodeName

UNANSWERED_LIMIT = 3
"""Unanswered questions after which a worker counts as silent. A busy worker with a solo pool only
answers once its task has ended, so one silence does not prove a wrong content type."""
SHORT_PAUSE_S = 30.0
"""The longest pause between questions in a content type that the application is known to use."""
LONG_PAUSE_S = 3600.0
"""The longest pause between guesses."""
NODE_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyHistory:
    """How one worker has answered so far."""

    answered_in: str | None = None
    """Content type of the last question that it answered."""
    replied_in: str | None = None
    """Content type of that answer, which may differ."""
    unanswered: int = 0
    """Unanswered questions since its last answer."""
    next_at_s: float = 0.0
    """When the next question is allowed."""
    unreadable: str | None = None
    """Why its last answer could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTypes:
    """What is known of the applications on one broker."""

    in_queues: tuple[str, ...] = ()
    """Content types of messages in their queues: workers accept what they run."""
    answered: tuple[str, ...] = ()
    """Content types of questions that any worker has answered."""
    in_events: tuple[str, ...] = ()
    """Content types of events. A worker does not necessarily accept what it writes."""


def candidates(history: ReplyHistory, known: KnownTypes) -> tuple[str, ...]:
    """The content types to try with this worker, in order: those known to be used first."""
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
    """The history after one more unanswered question."""
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
    """The history after an answer that cannot be read. It shows that the question was accepted."""
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
    """Histories of the workers of one broker; the least recently asked are dropped at the limit."""

    def __init__(self, *, node_limit: int = NODE_LIMIT) -> None:
        self._known = KnownTypes()
        self._histories: dict[NodeName, ReplyHistory] = {}
        self._node_limit = node_limit

    def note_queued(self, content_types: Collection[str]) -> None:
        """Note the content types of messages in queues."""
        seen = _unique((*self._known.in_queues, *content_types))
        self._known = replace(self._known, in_queues=seen)

    def note_event(self, content_type: str) -> None:
        """Note the content type of an event."""
        if content_type not in self._known.in_events:
            seen = _unique((*self._known.in_events, content_type))
            self._known = replace(self._known, in_events=seen)

    def note_answer(self, node: NodeName, content_type: str, *, replied_in: str) -> None:
        """Note the content types of a question that this node answered, and of its answer."""
        self._keep(node, ReplyHistory(answered_in=content_type, replied_in=replied_in))
        answered = _unique((content_type, *self._known.answered))
        self._known = replace(self._known, answered=answered)

    def note_unreadable(
        self, nodes: Collection[NodeName], content_type: str, *, reason: str, now_s: float
    ) -> None:
        """Note that some of these nodes sent answers that cannot be read."""
        for node in nodes:
            found = after_unreadable(self._of(node), content_type, reason=reason, now_s=now_s)
            self._keep(node, found)

    def note_unanswered(self, nodes: Collection[NodeName], *, now_s: float) -> None:
        """Note that these nodes have not answered."""
        for node in nodes:
            self._keep(node, after_unanswered(self._of(node), self._known, now_s=now_s))

    def sorted(
        self, nodes: Collection[NodeName], *, now_s: float
    ) -> Mapping[str, Sequence[NodeName]]:
        """The nodes that may be asked now, by the content type of the question."""
        found: dict[str, list[NodeName]] = defaultdict(list)
        for node in nodes:
            history = self._of(node)
            if history.next_at_s <= now_s:
                found[next_type(history, self._known)].append(node)
        return found

    def replied_in(self, node: NodeName) -> str | None:
        """The content type of this node's answers."""
        return self._of(node).replied_in

    def troubles(self) -> Mapping[NodeName, ControlTrouble]:
        """The workers that have not answered legibly several times in a row."""
        return {
            node: ControlTrouble(unreadable=history.unreadable)
            for node, history in self._histories.items()
            if history.unanswered >= UNANSWERED_LIMIT
        }

    def _of(self, node: NodeName) -> ReplyHistory:
        return self._histories.get(node, ReplyHistory())

    def _keep(self, node: NodeName, history: ReplyHistory) -> None:
        # Removed first, so that the dictionary keeps the order of questions.
        self._histories.pop(node, None)
        self._histories[node] = history
        while len(self._histories) > self._node_limit:
            del self._histories[next(iter(self._histories))]
