"""The SQLite file in which the history of tasks is kept, and the connections to it."""

import hashlib
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from app.broker.connections.address import Address
from app.errors import InvalidInput

VERSION = 1
"""Of the tables. A file of another version is not touched."""
BUSY_S = 10.0
READER_CACHE_KIB = 32_768
NAME_LENGTH = 80
MARK_LENGTH = 8
"""Of the digest that tells applications with similar names apart."""

# Tasks are narrow rows in the order in which they were first seen, so that a filtered page is found
# by a short scan; texts stand in a table of their own. Counts by state and groups of failures come
# from `series`, whatever the number of tasks.
TABLES = """
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL, queue TEXT NOT NULL, worker TEXT NOT NULL,
  exception TEXT NOT NULL, place TEXT NOT NULL, state TEXT NOT NULL,
  count INTEGER NOT NULL DEFAULT 0,
  first_at REAL NOT NULL, last_at REAL NOT NULL,
  newest INTEGER NOT NULL,
  UNIQUE (name, queue, worker, exception, place, state)
);
CREATE TABLE task (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL UNIQUE,
  series INTEGER NOT NULL,
  seen_at REAL NOT NULL, state_at REAL NOT NULL,
  sent_at REAL, received_at REAL, started_at REAL, ended_at REAL, runtime_s REAL,
  retries INTEGER NOT NULL
);
CREATE INDEX task_series ON task (series);
CREATE TABLE detail (
  id INTEGER PRIMARY KEY,
  args TEXT NOT NULL, kwargs TEXT NOT NULL, eta TEXT NOT NULL,
  root TEXT NOT NULL, parent TEXT NOT NULL,
  result TEXT NOT NULL, error TEXT NOT NULL, traceback TEXT NOT NULL, log TEXT NOT NULL
);
CREATE INDEX detail_root ON detail (root) WHERE root <> '';
CREATE VIRTUAL TABLE words USING fts5 (args, kwargs, content='detail', content_rowid='id');
CREATE TABLE action (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, outcome TEXT NOT NULL
);
CREATE TABLE flow (
  minute INTEGER NOT NULL, kind TEXT NOT NULL,
  queue TEXT NOT NULL, name TEXT NOT NULL, exception TEXT NOT NULL, place TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (minute, kind, queue, name, exception, place)
) WITHOUT ROWID;
"""


def default_path(address: Address, *, key_prefix: str) -> Path:
    """The file of an application, in the folder that the XDG specification names for state."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    text = f"{address}/{address.db} {key_prefix}".strip()
    name = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")[:NAME_LENGTH]
    mark = hashlib.sha256(text.encode()).hexdigest()[:MARK_LENGTH]
    return Path(state) / "celeriac" / f"console-{name}-{mark}.sqlite"


def open_writer(path: Path) -> sqlite3.Connection:
    """The connection that writes. The file is created where it is missing, for its owner alone.

    Raises:
        InvalidInput: it is no history of this version, or another process writes to it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version != VERSION and (version, tables) != (0, 0):
            raise InvalidInput(f"{path} is no history of this version: name another file")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        if not tables:
            connection.executescript(f"BEGIN;{TABLES}PRAGMA user_version = {VERSION};COMMIT;")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise InvalidInput(f"{path} cannot be used as history: {error}") from error
    except InvalidInput:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads.

    Raises:
        InvalidInput: there is no history.
    """
    if not path.is_file():
        raise InvalidInput(f"no history at {path}: `celeriac console --broker URL` keeps one")
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    return connection


def size_bytes(connection: sqlite3.Connection) -> int:
    """What the rows take: pages that are free again are not counted."""
    figures = []
    for name in ("page_count", "freelist_count", "page_size"):
        with closing(connection.execute(f"PRAGMA {name}")) as cursor:
            figures.append(int(cursor.fetchone()[0]))
    pages, free, size = figures
    return (pages - free) * size
