"""Bearer tokens of an OpenID Connect provider (RFC 7519, OpenID Connect Discovery 1.0).

The signature, `iss`, `aud`, `exp`, `nbf` and `iat` are checked by PyJWT. Only asymmetric algorithms
are taken: a shared secret would let each holder of it sign for everyone.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from app.access.principal import AccessScope, Principal
from app.errors import NotAuthenticated, RetryableError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")

LEEWAY_S = 30
"""How far the clocks of provider and API may be apart."""

KEYS_READ_EVERY_S = 10.0
"""How often the provider's keys are read again for a key id that is unknown: a client that makes up
key ids must not make us ask the provider for each."""

KEYS_KEPT_S = 3_600.0
"""A key that the provider has withdrawn is taken no longer than this."""

VERIFIED_S = 60.0
"""How long a token that was verified is taken without verifying it again, at most."""

VERIFIED_TOKENS = 10_000

FETCH_TIMEOUT_S = 5.0

Json = Any  # a JSON value


class ProviderUnavailable(RetryableError):
    """The identity provider does not answer, or not as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcRules:
    """Whose tokens are taken, and what they allow."""

    issuer: str
    audience: str
    groups: Mapping[str, AccessScope]
    """The scope of the members of each group."""
    groups_claim: str = "groups"
    owner_claim: str = "sub"
    """The claim that names the owner of what the request creates: a person, or a tenant."""

    def principal(self, claims: Mapping[str, Json]) -> Principal:
        """The principal of these claims, with the largest scope of its groups.

        Raises:
            NotAuthenticated: the claims name no owner, or no group that has a scope.
        """
        owner = claims.get(self.owner_claim)
        if not isinstance(owner, str) or not owner or not owner.isprintable():
            raise NotAuthenticated(f"the token has no usable claim {self.owner_claim!r}")
        given = claims.get(self.groups_claim, ())
        names = [given] if isinstance(given, str) else given if isinstance(given, list) else ()
        scopes = [self.groups[name] for name in names if name in self.groups]
        if not scopes:
            raise NotAuthenticated("the token names no group that may use this API")
        largest = max(scopes, key=list(AccessScope).index)
        return Principal(owner=owner, scope=largest, key_id=f"oidc:{claims['sub']}")


class TokenVerifier:
    """Finds the principal of a provider's token. Safe to use from many threads."""

    def __init__(
        self,
        rules: OidcRules,
        *,
        fetch: Callable[[str], Json],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`fetch` reads a JSON document by its URL. Raises ProviderUnavailable."""
        self._rules = rules
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._keys_read_at: datetime | None = None
        self._verified: dict[bytes, tuple[Principal, datetime]] = {}

    def cached(self, text: str) -> Principal | None:
        """The principal of a token that was verified a moment ago; None for another one."""
        found = self._verified.get(_digest(text))
        return found[0] if found is not None and self._clock() < found[1] else None

    def verify(self, text: str) -> Principal:
        """The principal of a token.

        Raises:
            NotAuthenticated: it is not a valid token of this provider for this API.
            ProviderUnavailable: the provider's keys cannot be read.
        """
        try:
            header = jwt.get_unverified_header(text)
            claims = jwt.decode(
                text,
                self._key(str(header.get("kid", ""))),
                algorithms=ALGORITHMS,
                audience=self._rules.audience,
                issuer=self._rules.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise NotAuthenticated(f"the bearer token is not valid: {error}") from None
        principal = self._rules.principal(claims)
        ends_at = datetime.fromtimestamp(claims["exp"], UTC)
        self._note(text, principal, ends_at)
        return principal

    def _note(self, text: str, principal: Principal, ends_at: datetime) -> None:
        until = min(ends_at, self._clock() + timedelta(seconds=VERIFIED_S))
        if len(self._verified) >= VERIFIED_TOKENS:
            self._verified.clear()
        self._verified[_digest(text)] = (principal, until)

    def _key(self, key_id: str) -> jwt.PyJWK:
        with self._lock:
            is_known = key_id in self._keys and not self._is_older_than(KEYS_KEPT_S)
            if not is_known and self._is_older_than(KEYS_READ_EVERY_S):
                self._keys = self._read_keys()
                self._keys_read_at = self._clock()
        if key_id not in self._keys:
            raise NotAuthenticated("the bearer token is signed with a key that its issuer has not")
        return self._keys[key_id]

    def _is_older_than(self, seconds: float) -> bool:
        last = self._keys_read_at
        return last is None or self._clock() - last >= timedelta(seconds=seconds)

    def _read_keys(self) -> dict[str, jwt.PyJWK]:
        place = self._rules.issuer.rstrip("/") + "/.well-known/openid-configuration"
        about = self._fetch(place)
        if not isinstance(about, dict) or about.get("issuer") != self._rules.issuer:
            raise ProviderUnavailable(f"{place} does not name the issuer {self._rules.issuer!r}")
        try:
            keys = jwt.PyJWKSet.from_dict(self._fetch(str(about.get("jwks_uri")))).keys
        except jwt.PyJWTError as error:
            raise ProviderUnavailable(f"the keys of {self._rules.issuer} are no key set") from error
        return {str(key.key_id or ""): key for key in keys}


def fetch_json(url: str) -> Json:
    """The JSON document at this URL of the provider. Raises ProviderUnavailable."""
    import httpx2  # the API has it loaded; the command line does without

    try:
        answer = httpx2.get(url, timeout=FETCH_TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise ProviderUnavailable(f"no answer from {url}: {error}") from error


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def parse_groups(text: str) -> dict[str, AccessScope]:
    """`group=scope` pairs, separated by commas. Raises ValueError.

    >>> parse_groups("ops=admin, shop=submit")["shop"]
    <AccessScope.SUBMIT: 'submit'>
    """
    pairs = (pair.rpartition("=") for pair in text.split(",") if pair.strip())
    found = {name.strip(): AccessScope(scope.strip()) for name, _, scope in pairs}
    if "" in found:
        raise ValueError("write group=scope, separated by commas")
    return found
