"""Who owns rows, and whose rows the present request or job sees.

The API sets the scope of each request, a worker that of the job it runs. Every store that clients
reach adds the scope to its queries, as row-level security in a database would: a route or a stage
cannot forget it. Maintenance, which serves everybody, runs outside of any scope.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, false, text, true

SEPARATOR = "\n"
"""Between an owner and a name that is unique for each owner. Neither contains one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerScope:
    """In whose name something is done."""

    owner: str = ""
    """The owner of what is created. Empty where no key is needed."""
    sees_all: bool = True
    """Whether the rows of all owners are visible."""

    def own_name(self, name: str) -> str:
        """A name that other owners may use too, as it is stored.

        >>> OwnerScope(owner="ada", sees_all=False).own_name("a")
        'ada\\na'
        """
        return f"{self.owner}{SEPARATOR}{name}" if self.owner else name


EVERYTHING = OwnerScope()

_current: ContextVar[OwnerScope] = ContextVar("celeriac_owner", default=EVERYTHING)


def current() -> OwnerScope:
    """The present scope."""
    return _current.get()


@contextmanager
def acting_for(scope: OwnerScope) -> Iterator[None]:
    """Do the block in this scope."""
    token = _current.set(scope)
    try:
        yield
    finally:
        _current.reset(token)


def job_scope(owner: str) -> OwnerScope:
    """The scope of the work for a job: what its owner has. A job without an owner was submitted
    where no key is needed, and sees everything, as its client does."""
    return OwnerScope(owner=owner, sees_all=not owner)


def visible(rows: Table) -> ColumnElement[bool]:
    """The condition on rows of this table that the present scope sees."""
    scope = current()
    if scope.sees_all:
        return true()
    return rows.c.owner == scope.owner if scope.owner else false()


def lock(connection: Connection, owner: str) -> None:
    """Keep other transactions that lock the owner waiting until this one ends, so that two at once
    cannot exceed a limit. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"name": f"celeriac:owner:{owner}"})


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def plain_name(stored: str) -> str:
    """The name without the owner before it.

    >>> plain_name("ada\\na"), plain_name("a")
    ('a', 'a')
    """
    return stored.rpartition(SEPARATOR)[2]
