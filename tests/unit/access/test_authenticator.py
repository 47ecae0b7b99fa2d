"""Keys of requests against stored keys, in virtual time."""

from datetime import UTC, datetime, timedelta

import pytest

from app.access import authenticator, tokens
from app.access.authenticator import CACHE_S, USE_NOTED_EVERY_S, Authenticator
from app.access.keys import ApiKey
from app.access.principal import ADMIN, AccessScope
from app.access.tokens import Token
from app.errors import NotAuthenticated

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Keys:
    """Keys in memory; notes what is asked."""

    def __init__(self, *keys: ApiKey) -> None:
        self.by_id = {key.id: key for key in keys}
        self.reads: list[str] = []
        self.uses: list[str] = []

    def find(self, key_id: str) -> ApiKey | None:
        self.reads.append(key_id)
        return self.by_id.get(key_id)

    def note_use(self, key_ids: list[str], *, now: datetime) -> None:
        self.uses += key_ids


def stored(token: Token, **changes: datetime) -> ApiKey:
    return ApiKey(
        id=token.key_id,
        name="ci",
        owner="shop",
        scope=AccessScope.SUBMIT,
        digest=token.digest,
        created_at=NOON,
        expires_at=changes.get("expires_at"),
        revoked_at=changes.get("revoked_at"),
        last_used_at=None,
    )


TOKEN = tokens.generate()


def test_a_stored_key_names_its_principal() -> None:
    found = Authenticator(Keys(stored(TOKEN)), clock=Clock()).authenticate(str(TOKEN))
    assert (found.owner, found.scope, found.key_id) == ("shop", AccessScope.SUBMIT, TOKEN.key_id)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("hello", "not an API key", id="other text"),
        pytest.param(str(tokens.generate()), "is not valid", id="an unknown id"),
        pytest.param(
            str(Token(key_id=TOKEN.key_id, secret=tokens.generate().secret)),
            "is not valid",
            id="a wrong secret",
        ),
    ],
)
def test_what_is_not_a_stored_key_is_refused(text: str, why: str) -> None:
    with pytest.raises(NotAuthenticated, match=why):
        Authenticator(Keys(stored(TOKEN)), clock=Clock()).authenticate(text)


def test_expired_and_revoked_keys_are_refused_with_the_reason() -> None:
    expired = stored(TOKEN, expires_at=NOON)
    with pytest.raises(NotAuthenticated, match="has expired"):
        Authenticator(Keys(expired), clock=Clock()).authenticate(str(TOKEN))
    revoked = stored(TOKEN, revoked_at=NOON - timedelta(days=1))
    with pytest.raises(NotAuthenticated, match="was revoked"):
        Authenticator(Keys(revoked), clock=Clock()).authenticate(str(TOKEN))


def test_a_key_expires_while_it_is_cached() -> None:
    clock, keys = Clock(), Keys(stored(TOKEN, expires_at=NOON + timedelta(seconds=1)))
    found = Authenticator(keys, clock=clock)
    found.authenticate(str(TOKEN))
    clock.advance(1)
    with pytest.raises(NotAuthenticated, match="has expired"):
        found.cached(str(TOKEN))


def test_a_key_is_read_once_in_the_time_of_the_cache() -> None:
    clock, keys = Clock(), Keys(stored(TOKEN))
    found = Authenticator(keys, clock=clock)
    assert found.cached(str(TOKEN)) is None
    found.authenticate(str(TOKEN))
    assert found.cached(str(TOKEN)) == keys.by_id[TOKEN.key_id].principal
    assert keys.reads == [TOKEN.key_id]
    clock.advance(CACHE_S)
    assert found.cached(str(TOKEN)) is None


def test_a_forgotten_key_is_read_again() -> None:
    keys = Keys(stored(TOKEN))
    found = Authenticator(keys, clock=Clock())
    found.authenticate(str(TOKEN))
    found.forget(TOKEN.key_id)
    assert found.cached(str(TOKEN)) is None


def test_use_is_noted_once_a_minute_at_most() -> None:
    clock, keys = Clock(), Keys(stored(TOKEN))
    found = Authenticator(keys, clock=clock)
    for _ in range(3):
        found.authenticate(str(TOKEN))
    assert keys.uses == [TOKEN.key_id]
    clock.advance(USE_NOTED_EVERY_S)
    found.authenticate(str(TOKEN))
    assert keys.uses == [TOKEN.key_id] * 2


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticator, "CACHED_KEYS", 2)
    found = Authenticator(Keys(stored(TOKEN)), clock=Clock())
    found.authenticate(str(TOKEN))
    for stranger in (tokens.generate(), tokens.generate()):
        with pytest.raises(NotAuthenticated):
            found.authenticate(str(stranger))
    assert found.cached(str(TOKEN)) is None


def test_a_key_of_the_settings_is_taken_without_a_read() -> None:
    keys = Keys()
    found = Authenticator(keys, given={"a" * 40: ADMIN}, clock=Clock())
    assert found.authenticate("a" * 40) == ADMIN
    assert found.cached("a" * 40) == ADMIN
    with pytest.raises(NotAuthenticated):
        found.authenticate("a" * 39)
    assert keys.reads == []
