"""Sessions of people who have signed in to the console with a key.

The cookie holds a random token, the database its digest and who signed in. A session ends by time,
by signing out, and with the key or the setting that it was begun with.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select

from app.storage import schema
from app.storage.engine import Database

_sessions = schema.console_sessions

LIFETIME = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """A session, without its token."""

    digest: str
    key_id: str
    expires_at: datetime


class SessionStore:
    """Sessions by the digest of their tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, key_id: str, *, now: datetime) -> str:
        """Store a new session of the holder of a key. Returns its token. Sessions whose time is
        over are removed."""
        token = secrets.token_urlsafe(32)
        row = {"digest": digest_of(token), "key_id": key_id, "expires_at": now + LIFETIME}
        with self._database.write() as connection:
            connection.execute(delete(_sessions).where(_sessions.c.expires_at <= now))
            connection.execute(insert(_sessions).values(row))
        return token

    def find(self, token: str, *, now: datetime) -> ConsoleSession | None:
        """The session of this token, unless its time is over."""
        query = select(_sessions).where(
            _sessions.c.digest == digest_of(token), _sessions.c.expires_at > now
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else ConsoleSession(**row._mapping)

    def end(self, token: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_sessions).where(_sessions.c.digest == digest_of(token)))


def digest_of(token: str) -> str:
    """SHA-256 in hexadecimal. The token is random, so that a slow hash would protect nothing."""
    return hashlib.sha256(token.encode()).hexdigest()
