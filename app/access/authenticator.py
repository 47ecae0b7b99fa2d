"""Tokens of requests, checked against the stored keys."""

import hmac
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Protocol

from app.access import tokens
from app.access.keys import ApiKey
from app.access.oidc import TokenVerifier
from app.access.principal import Principal
from app.access.sessions import ConsoleSession
from app.errors import NotAuthenticated

CACHE_S = 2.0
"""How long a key that was read is taken as it was: a revocation takes effect within this time in
every process. A read per request would cost 0.2 ms; this costs 2 us."""

USE_NOTED_EVERY_S = 60.0
"""How often the time of last use is written for a key that is used all the time."""

CACHED_KEYS = 10_000
"""A client that tries one id after another must not grow the cache without bound."""


class KeyReader(Protocol):
    """Where keys are stored (`KeyStore`)."""

    def find(self, key_id: str) -> ApiKey | None: ...

    def note_use(self, key_ids: "list[str]", *, now: datetime) -> None: ...


class SessionReader(Protocol):
    """Where console sessions are stored (`SessionStore`)."""

    def find(self, token: str, *, now: datetime) -> ConsoleSession | None: ...


@dataclass(frozen=True, slots=True)
class _Cached:
    key: ApiKey | None
    read_at: datetime


class Authenticator:
    """Finds the principal of a token. Safe to use from many threads."""

    def __init__(
        self,
        store: KeyReader,
        *,
        given: Mapping[str, Principal] = MappingProxyType({}),
        provider: TokenVerifier | None = None,
        sessions: SessionReader | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`given` are keys that are not in the store, with the principal of each: the first ones,
        with which the others are created. `provider` verifies tokens that are not API keys."""
        self._store = store
        self._given = dict(given)
        self._provider = provider
        self._sessions = sessions
        self._clock = clock
        self._cache: dict[str, _Cached] = {}
        self._noted: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def cached(self, text: str) -> Principal | None:
        """The principal, when no read is needed to know it; for callers that must not block.

        Raises:
            NotAuthenticated: the key is known not to be valid.
        """
        now = self._clock()
        holder = self._holder(text)
        if holder is not None:
            return holder
        token = tokens.parse(text)
        if token is None:
            return self._of_provider().cached(text)
        found = self._cache.get(token.key_id)
        if found is None or now - found.read_at >= timedelta(seconds=CACHE_S):
            return None
        return _checked(token, found.key, now=now)

    def authenticate(self, text: str) -> Principal:
        """The principal of a token, read from the store.

        Raises:
            NotAuthenticated: it is not a key, or one that is unknown, wrong, expired or revoked.
            StorageUnavailable: the store does not answer.
            ProviderUnavailable: the identity provider does not answer.
        """
        holder = self._holder(text)
        if holder is not None:
            return holder
        token = tokens.parse(text)
        if token is None:
            return self._of_provider().verify(text)
        now = self._clock()
        key = self._store.find(token.key_id)
        with self._lock:
            if len(self._cache) >= CACHED_KEYS:
                self._cache.clear()
            self._cache[token.key_id] = _Cached(key, now)
        principal = _checked(token, key, now=now)
        self._note_use(token.key_id, now)
        return principal

    def resume(self, token: str) -> Principal:
        """The principal of a console session.

        Raises:
            NotAuthenticated: there is no such session, its time is over, or its key has ended.
            StorageUnavailable: the store does not answer.
        """
        now = self._clock()
        session = None if self._sessions is None else self._sessions.find(token, now=now)
        if session is None:
            raise NotAuthenticated("the session has ended")
        for principal in self._given.values():
            if principal.key_id == session.key_id:
                return principal
        key = self._store.find(session.key_id)
        if key is None or not key.is_valid(now=now):
            raise NotAuthenticated("the key of the session has ended")
        return key.principal

    def forget(self, key_id: str) -> None:
        """Read this key anew when it is presented next."""
        self._cache.pop(key_id, None)

    def _holder(self, text: str) -> Principal | None:
        given = text.encode()
        for key, principal in self._given.items():
            if hmac.compare_digest(given, key.encode()):
                return principal
        return None

    def _of_provider(self) -> TokenVerifier:
        if self._provider is None:
            raise NotAuthenticated("the credentials are not an API key of Celeriac")
        return self._provider

    def _note_use(self, key_id: str, now: datetime) -> None:
        last = self._noted.get(key_id)
        if last is None or now - last >= timedelta(seconds=USE_NOTED_EVERY_S):
            self._noted[key_id] = now
            self._store.note_use([key_id], now=now)


def _checked(token: tokens.Token, key: ApiKey | None, *, now: datetime) -> Principal:
    """The same words for an unknown id and a wrong secret: ids cannot be tried out."""
    if key is None or not token.matches(key.digest):
        raise NotAuthenticated("the API key is not valid")
    if not key.is_valid(now=now):
        state = "was revoked" if key.revoked_at is not None else "has expired"
        raise NotAuthenticated(f"the API key {key.id} {state}")
    return key.principal
