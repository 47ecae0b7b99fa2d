"""Task ids that were revoked, and which of them a worker may not have heard of. Pure.

Celery keeps revoked ids in the memory of its workers only. One that starts later asks the others
(mingle), and where none runs, or it is told not to ask, it runs what was revoked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.broker.model import Heartbeat, NodeName

LIMIT = 50_000
"""Ids that are kept, as Celery's workers do (REVOKES_MAX); the oldest is forgotten first."""
LIFETIME_S = 10_800.0
"""How long an id is kept, as Celery's workers do (REVOKE_EXPIRES)."""
SUBSCRIBED_WITHIN_S = 5.0
"""A worker that is heard for the first time listens to broadcasts of its own after this long. Its
first event comes before it has subscribed to them."""
AWAKE_S = 10.0
"""A worker that was heard within this can be told something."""
TELL_AGAIN_S = 5.0


@dataclass(slots=True)
class RevokedIds:
    """Revoked ids, by when they were last heard of."""

    _heard_at_s: dict[str, float] = field(default_factory=dict)

    def add(self, task_ids: Iterable[str], *, at_s: float) -> None:
        """Note these ids. Those that are known move to the end: they live on."""
        for task_id in task_ids:
            self._heard_at_s.pop(task_id, None)
            self._heard_at_s[task_id] = at_s
        while len(self._heard_at_s) > LIMIT:
            del self._heard_at_s[next(iter(self._heard_at_s))]

    def current(self, *, now_s: float) -> tuple[str, ...]:
        """All that are not too old, the oldest first."""
        self._expire(now_s=now_s)
        return tuple(self._heard_at_s)

    def between(self, after_s: float, until_s: float, *, now_s: float) -> tuple[str, ...]:
        """Those heard of after one moment, and until another; the oldest first."""
        self._expire(now_s=now_s)
        found = []
        for task_id, at_s in reversed(self._heard_at_s.items()):
            if at_s <= after_s:
                break
            if at_s <= until_s:
                found.append(task_id)
        return tuple(reversed(found))

    def by_time(self, *, now_s: float) -> Mapping[str, float]:
        """All that are not too old, with their moments, to be kept elsewhere."""
        self._expire(now_s=now_s)
        return dict(self._heard_at_s)

    def _expire(self, *, now_s: float) -> None:
        for task_id in tuple(self._heard_at_s):
            if now_s - self._heard_at_s[task_id] <= LIFETIME_S:
                return
            del self._heard_at_s[task_id]


@dataclass(slots=True)
class Newcomer:
    """A worker that has to be told, or may have to be."""

    first_heard_at_s: float
    told_at_s: float | None = None
    is_done: bool = False


@dataclass(slots=True)
class Newcomers:
    """Which workers have to be told of which ids."""

    _nodes: dict[NodeName, Newcomer] = field(default_factory=dict)
    _informed_at_s: dict[NodeName, float] = field(default_factory=dict)

    def note_start(self, node: NodeName) -> None:
        """This worker has just started, perhaps under the name of one before."""
        self._nodes.pop(node, None)

    def note_informed(self, node: NodeName, *, at_s: float) -> None:
        """This worker knows all that was heard of until then."""
        self._informed_at_s[node] = at_s

    def due(
        self, heartbeats: Mapping[NodeName, Heartbeat], revoked: RevokedIds, *, now_s: float
    ) -> dict[NodeName, tuple[str, ...]]:
        """What to tell which worker now."""
        self._nodes = {node: one for node, one in self._nodes.items() if node in heartbeats}
        found: dict[NodeName, tuple[str, ...]] = {}
        for node, heartbeat in heartbeats.items():
            newcomer = self._nodes.setdefault(node, Newcomer(first_heard_at_s=now_s))
            is_silent = now_s - heartbeat.seen_at_s > AWAKE_S
            if newcomer.is_done or is_silent or not _is_due(newcomer, now_s=now_s):
                continue
            listens_at_s = newcomer.first_heard_at_s + SUBSCRIBED_WITHIN_S
            missed = revoked.between(self._informed_at_s.get(node, 0.0), listens_at_s, now_s=now_s)
            if missed:
                newcomer.told_at_s = now_s
                found[node] = missed
            elif now_s > listens_at_s:
                newcomer.is_done = True
                self._informed_at_s.pop(node, None)
        return found


def _is_due(newcomer: Newcomer, *, now_s: float) -> bool:
    return newcomer.told_at_s is None or now_s - newcomer.told_at_s >= TELL_AGAIN_S
