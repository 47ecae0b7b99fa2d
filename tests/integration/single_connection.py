"""A guard against transactions that open another one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection

from app.storage.engine import Database

Opener = Callable[..., AbstractContextManager[Connection]]

_open: threading.local = threading.local()


class SecondConnection(AssertionError):
    """A thread opened a transaction of a database inside of another one."""


def once_in_a_thread(opener: Opener) -> Opener:
    """The method, which raises SecondConnection inside of a block that it has opened before."""

    @contextmanager
    def opened(self: Database, **options: Any) -> Iterator[Connection]:
        databases: set[int] = vars(_open).setdefault("databases", set())
        if id(self) in databases:
            raise SecondConnection("a transaction opens another one on the same database")
        databases.add(id(self))
        try:
            with opener(self, **options) as connection:
                yield connection
        finally:
            databases.discard(id(self))

    return opened
