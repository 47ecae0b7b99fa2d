"""The text of an API key: made once, shown once, stored as a digest.

A token is `celeriac_<id>_<secret>`. The id finds the row; the secret has 256 random bits, so a
plain SHA-256 protects it: there is nothing to guess that a slow hash would have to slow down.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

PREFIX = "celeriac"
"""Secret scanners find leaked keys by it."""

ID_BYTES = 6
SECRET_BYTES = 32

_TOKEN = re.compile(rf"{PREFIX}_(?P<id>[0-9a-f]{{{ID_BYTES * 2}}})_(?P<secret>[A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An API key as its holder sends it."""

    key_id: str
    secret: str

    def __str__(self) -> str:
        return f"{PREFIX}_{self.key_id}_{self.secret}"

    def __repr__(self) -> str:
        return f"Token({self.key_id})"

    @property
    def digest(self) -> str:
        """What is stored: SHA-256 of the secret, in hexadecimal."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def matches(self, digest: str) -> bool:
        """Whether this token has this digest, compared in constant time."""
        return hmac.compare_digest(self.digest, digest)


def generate() -> Token:
    """A new token from the system's source of randomness."""
    return Token(key_id=secrets.token_hex(ID_BYTES), secret=secrets.token_urlsafe(SECRET_BYTES))


def parse(text: str) -> Token | None:
    """The token in this text; None where the text is not one of ours."""
    found = _TOKEN.fullmatch(text)
    return None if found is None else Token(key_id=found["id"], secret=found["secret"])
