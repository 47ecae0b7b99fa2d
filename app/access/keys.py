"""API keys in the database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, insert, select, update

from app.access import tokens
from app.access.principal import AccessScope, Principal
from app.access.tokens import Token
from app.errors import NotFound
from app.storage import schema
from app.storage.engine import Database

_keys = schema.api_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key, without its secret."""

    id: str
    name: str
    owner: str
    scope: AccessScope
    digest: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_valid(self, *, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    @property
    def principal(self) -> Principal:
        return Principal(owner=self.owner, scope=self.scope, key_id=self.id)


class KeyStore:
    """API keys by id. Keys are revoked, never deleted: the audit log names them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        *,
        name: str,
        owner: str,
        scope: AccessScope,
        expires_at: datetime | None,
        now: datetime,
    ) -> tuple[ApiKey, Token]:
        """Store a new key. The token is returned this once and cannot be read again."""
        token = tokens.generate()
        row = {
            "id": token.key_id,
            "name": name,
            "owner": owner,
            "scope": scope.value,
            "digest": token.digest,
            "created_at": now,
            "expires_at": expires_at,
        }
        with self._database.write(is_promise=True) as connection:
            stored = connection.execute(insert(_keys).values(row).returning(_keys)).one()
        return _parse(stored), token

    def find(self, key_id: str) -> ApiKey | None:
        with self._database.read() as connection:
            row = connection.execute(select(_keys).where(_keys.c.id == key_id)).one_or_none()
        return None if row is None else _parse(row)

    def list(self) -> Sequence[ApiKey]:
        """All keys, newest first."""
        query = select(_keys).order_by(_keys.c.created_at.desc(), _keys.c.id)
        with self._database.read() as connection:
            return tuple(_parse(row) for row in connection.execute(query))

    def revoke(self, key_id: str, *, now: datetime) -> ApiKey:
        """End the key; a key that was revoked before keeps its time. Raises NotFound."""
        with self._database.write(is_promise=True) as connection:
            connection.execute(
                update(_keys)
                .where(_keys.c.id == key_id, _keys.c.revoked_at.is_(None))
                .values(revoked_at=now)
            )
            row = connection.execute(select(_keys).where(_keys.c.id == key_id)).one_or_none()
        if row is None:
            raise NotFound(f"no API key {key_id!r}")
        return _parse(row)

    def note_use(self, key_ids: Iterable[str], *, now: datetime) -> None:
        """Set the time of last use."""
        with self._database.write() as connection:
            connection.execute(
                update(_keys).where(_keys.c.id.in_(sorted(key_ids))).values(last_used_at=now)
            )


def _parse(row: Row[tuple[object, ...]]) -> ApiKey:
    values = dict(row._mapping)
    return ApiKey(**values | {"scope": AccessScope(values["scope"])})
