"""The database: SQLite in WAL mode or PostgreSQL, behind one small class with our own errors."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import URL, make_url

from app.errors import CeleriacError, Conflict, InvalidInput, StorageUnavailable
from app.storage import nesting

BUSY_TIMEOUT_S = 30.0
"""How long an SQLite writer waits for the writers before it."""

LOCK_POLL_S = 0.0005
"""Pause between two attempts: our transactions take a millisecond."""

CONNECT_TIMEOUT_S = 5

DEAD_PEER_S = 30
"""When to give up on a PostgreSQL server whose machine has vanished. By the defaults of Linux a
statement waits a quarter of an hour for it, and an idle connection two hours."""

_KEEPALIVE_PROBES = 3

_TCP = {
    "keepalives": 1,
    "keepalives_idle": DEAD_PEER_S // 2,
    "keepalives_interval": DEAD_PEER_S // 2 // _KEEPALIVE_PROBES,
    "keepalives_count": _KEEPALIVE_PROBES,
    "tcp_user_timeout": DEAD_PEER_S * 1000,
}
"""libpq's options; those in the URL take precedence."""

UNDEFINED = frozenset({"42P01", "42703"})
"""PostgreSQL's codes for an undefined table and column (its Appendix A)."""


class Database:
    """Transactions on one database, safe to use from many threads.

    Raises StorageUnavailable when the database does not answer, Conflict when a row is there
    already, InvalidInput when it refuses a value.
    """

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self._backend = parse_url(url).get_backend_name()
        self._url = url
        self._pool_size = pool_size

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._backend

    @cached_property
    def _engine(self) -> Engine:
        """Created on first use, with the folder of an SQLite file."""
        return build_engine(self._url, pool_size=self._pool_size)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot to read from."""
        with translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, is_promise: bool = False) -> Iterator[Connection]:
        """One transaction, committed at the end. SQLite takes its write lock immediately, so that a
        transaction that reads first cannot fail half-way.

        A `promise` is on the disk when this returns. A power failure may lose the last of SQLite's
        other transactions, as a whole: their work is repeated.
        """
        with translated(), self._engine.connect() as connection:
            connection.execution_options(
                celeriac_begin="BEGIN IMMEDIATE",
                celeriac_synchronous="FULL" if is_promise else "NORMAL",
            )
            with connection.begin():
                yield connection

    def close(self) -> None:
        if "_engine" in vars(self):
            self._engine.dispose()

    def forget(self) -> None:
        """Call it after a fork: forgets the connections, which belong to the parent."""
        if "_engine" in vars(self):
            self._engine.dispose(close=False)


@contextmanager
def translated() -> Iterator[None]:
    """Translate the library's errors to ours."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise translate(error) from error


def translate(error: exc.SQLAlchemyError) -> CeleriacError | exc.SQLAlchemyError:
    """Our error for one of the library's. A bug in our own code is not translated.

    Messages contain neither the statement nor its values.
    """
    cause = getattr(error, "orig", None)
    if isinstance(cause, CeleriacError):
        return cause
    if _lacks_tables(cause):
        return StorageUnavailable("the database lacks our tables: run `celeriac db upgrade`")
    # PostgreSQL's messages contain values, or whole rows, from the second line on.
    original, *_ = (str(cause).strip() if cause is not None else type(error).__name__).split("\n")
    match error:
        case exc.IntegrityError():
            return Conflict(f"the database holds this already: {original}")
        case exc.DataError():
            return InvalidInput(f"the database refuses a value: {original}")
        case exc.ProgrammingError() | exc.NotSupportedError():
            return error
        case exc.DBAPIError() | exc.TimeoutError() | exc.DisconnectionError():
            return StorageUnavailable("the database did not answer", detail=original)
        case _:
            return error


def _lacks_tables(cause: object) -> bool:
    if isinstance(cause, sqlite3.OperationalError):
        return str(cause).startswith(("no such table", "no such column"))
    return getattr(cause, "sqlstate", None) in UNDEFINED


def build_engine(url: str, *, pool_size: int = 5) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://...`, not yet connected."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed, pool_size=pool_size)
    return create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        json_serializer=dump_json,
        json_deserializer=nesting.parse,
        hide_parameters=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "celeriac",
            **{name: value for name, value in _TCP.items() if name not in parsed.query},
        },
    )


def parse_url(url: str) -> URL:
    """The URL with the name of its driver. InvalidInput if it is neither SQLite nor PostgreSQL.

    >>> parse_url("postgresql://db/celeriac").drivername
    'postgresql+psycopg'
    """
    parsed = _read_url(url)
    if parsed is None:
        raise InvalidInput(
            "the database URL cannot be read; it is sqlite:///path or "
            "postgresql://user:password@host:5432/database, user and password percent-encoded"
        )
    if "@" in (parsed.host or ""):
        raise InvalidInput("the password of the database URL has to be encoded: write '@' as %40")
    match parsed.get_backend_name():
        case "sqlite" if parsed.host:
            raise InvalidInput("an SQLite URL has no host: sqlite:///path, with three slashes")
        case "sqlite":
            return parsed.set(drivername="sqlite")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise InvalidInput(f"no database of kind {other!r}: use sqlite or postgresql")


def _read_url(url: str) -> URL | None:
    """`None` if it cannot be parsed. The library's error quotes the URL, so it is dropped."""
    try:
        return make_url(url)
    except (exc.ArgumentError, ValueError):
        return None


def dump_json(value: object, *, sort_keys: bool = False) -> str:
    """Strict JSON in ASCII, which both databases accept.

    Raises InvalidInput for a value that JSON does not have, such as NaN or a set, and for one that
    is nested too deeply to be shown.
    """
    if nesting.is_too_deep(value):
        raise InvalidInput(f"a JSON value {nesting.TOO_DEEP}")
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"not a JSON value: {error}") from error


def _sqlite_engine(url: URL, *, pool_size: int) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=-1,
        json_serializer=dump_json,
        json_deserializer=nesting.parse,
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


_SYNCHRONOUS = "NORMAL"
"""How a connection begins."""

_INFO = "celeriac_synchronous"
"""Where a connection notes how it is now."""


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, see `_begin_sqlite`
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {_SYNCHRONOUS}",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    wanted = options.get("celeriac_synchronous")
    if wanted is not None and wanted != connection.info.get(_INFO, _SYNCHRONOUS):
        connection.exec_driver_sql(f"PRAGMA synchronous = {wanted}")
        connection.info[_INFO] = wanted
    begin = options.get("celeriac_begin", "BEGIN")
    if begin == "BEGIN":
        connection.exec_driver_sql(begin)
    else:
        raw: Any = connection.connection.dbapi_connection  # sqlite3's, by its driver's protocol
        try:
            _take_write_lock(raw, begin)
        except sqlite3.Error as error:
            raise exc.OperationalError(begin, None, error) from error


def _take_write_lock(connection: sqlite3.Connection, begin: str) -> None:
    """Begin as soon as the lock is free, or raise after BUSY_TIMEOUT_S.

    SQLite's own wait sleeps longer each time, up to 100 ms, while others take the lock. With a few
    busy processes, each would wait for tens of milliseconds.
    """
    deadline_s = time.monotonic() + BUSY_TIMEOUT_S
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute(begin)
            except sqlite3.OperationalError as error:
                is_taken = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_taken or time.monotonic() > deadline_s:
                    raise
                time.sleep(LOCK_POLL_S)
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")
