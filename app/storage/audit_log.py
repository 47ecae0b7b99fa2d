"""Who did what through the API: one line for each act.

The API begins an `Act` for each request. A store that writes rows on its behalf notes the line in
the transaction of those rows, so that neither exists without the other. The lines of all other
acts are added before their response is sent.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, delete, insert, select

from app.storage import schema
from app.storage.engine import Database

_lines = schema.audit_log
_INSERT = insert(_lines)

MAX_TEXT = 200
"""Characters of each text of a line. What a client sends is longer at times."""


class Outcome(StrEnum):
    """What became of an act."""

    DONE = "done"
    REFUSED = "refused"
    """For want of a valid key, or of the scope."""


@dataclass(slots=True, kw_only=True)
class Act:
    """What a request does, as far as it is known by now."""

    action: str | None = None
    """Such as `job.submit`. None for requests that leave no line."""
    actor: str = ""
    """The owner of the key; empty for requests that need none."""
    key_id: str | None = None
    address: str = ""
    user_agent: str = ""
    request_id: str = ""
    subject: str = ""
    """The id of what was changed, the first one of several."""
    count: int = 1
    detail: str = ""
    is_noted: bool = False
    """Whether nothing is left to be noted."""

    def describe(
        self, *, action: str | None = None, subject: str = "", count: int = 1, detail: str = ""
    ) -> None:
        """State what is changed, where the route alone does not say it. Of nothing, no line."""
        self.action = action or self.action
        self.subject, self.count, self.detail = subject, count, detail
        self.is_noted = self.is_noted or count == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """A line of the audit log."""

    id: str
    at: datetime
    actor: str
    key_id: str | None
    action: str
    subject: str
    count: int
    detail: str
    outcome: Outcome
    address: str
    user_agent: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which lines to read; empty texts and None do not filter."""

    actor: str = ""
    key_id: str = ""
    action: str = ""
    """An action, or a kind of actions with a trailing dot: `job.`."""
    subject: str = ""
    outcome: Outcome | None = None
    since: datetime | None = None
    before: datetime | None = None


_current: ContextVar[Act | None] = ContextVar("celeriac_act", default=None)


def current() -> Act:
    """The act of the present request. Outside of requests, one that is never noted."""
    return _current.get() or Act(is_noted=True)


@contextmanager
def performing(act: Act) -> Iterator[None]:
    """Do the block as this act."""
    token = _current.set(act)
    try:
        yield
    finally:
        _current.reset(token)


def note(connection: Connection, subjects: Sequence[str], *, details: Iterable[str]) -> None:
    """Note the present act on these subjects in the caller's transaction."""
    act = _current.get()
    if act is None or act.action is None or act.is_noted:
        return
    if subjects:
        told = " ".join(sorted(set(details)))
        act.describe(subject=subjects[0], count=len(subjects), detail=told)
        connection.execute(_INSERT, _row(act, Outcome.DONE))
    act.is_noted = True


class AuditLog:
    """The lines, newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, act: Act, outcome: Outcome) -> None:
        """Add the line of an act that has an action."""
        with self._database.write() as connection:
            connection.execute(_INSERT, _row(act, outcome))

    def read(
        self, wanted: AuditFilter, *, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[AuditLine], str | None]:
        """A page of lines, and the cursor of the next one."""
        query = select(_lines).order_by(_lines.c.id.desc()).limit(limit + 1)
        for column, value in (
            (_lines.c.actor, wanted.actor),
            (_lines.c.key_id, wanted.key_id),
            (_lines.c.subject, wanted.subject),
            (_lines.c.outcome, wanted.outcome),
        ):
            if value:
                query = query.where(column == value)
        if wanted.action.endswith("."):
            query = query.where(_lines.c.action.startswith(wanted.action, autoescape=True))
        elif wanted.action:
            query = query.where(_lines.c.action == wanted.action)
        if wanted.since is not None:
            query = query.where(_lines.c.at >= wanted.since)
        if wanted.before is not None:
            query = query.where(_lines.c.at < wanted.before)
        if cursor is not None:
            query = query.where(_lines.c.id < cursor)
        with self._database.read() as connection:
            found = [_parse(row) for row in connection.execute(query)]
        page = found[:limit]
        return page, page[-1].id if len(found) > limit else None

    def remove(self, *, before: datetime, limit: int) -> int:
        """Remove the oldest lines of before that moment; return how many there were."""
        old = select(_lines.c.id).where(_lines.c.at < before).order_by(_lines.c.at).limit(limit)
        with self._database.write() as connection:
            return connection.execute(delete(_lines).where(_lines.c.id.in_(old))).rowcount


def _row(act: Act, outcome: Outcome) -> dict[str, object]:
    return {
        "id": str(uuid_utils.uuid7()),
        "at": datetime.now(UTC),
        "actor": act.actor,
        "key_id": act.key_id,
        "action": act.action,
        "subject": act.subject[:MAX_TEXT],
        "count": act.count,
        "detail": act.detail[:MAX_TEXT],
        "outcome": outcome.value,
        "address": act.address,
        "user_agent": act.user_agent[:MAX_TEXT],
        "request_id": act.request_id,
    }


def _parse(row: Row[Any]) -> AuditLine:  # one row of the table, whose columns differ in type
    values = dict(row._mapping)
    return AuditLine(**values | {"outcome": Outcome(values["outcome"])})
