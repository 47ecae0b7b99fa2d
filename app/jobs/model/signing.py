"""Signatures over what our processes send each other through the broker (HMAC-SHA256)."""

import base64
import hmac
from collections.abc import Sequence

MAX_SIGNATURES = 8
"""Of one message. A rotation needs two."""

_LENGTH = 43  # 32 bytes in base64 without padding


class MessageSigner:
    """Signs and verifies with shared keys, newest first. Without keys nothing is signed, and
    everything counts as signed.

    Each key signs. A process that knows only the old key, or only the new one, therefore accepts
    what a process with both keys has signed, and keys are replaced while jobs flow.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = tuple(key.encode() for key in keys)

    @property
    def is_on(self) -> bool:
        """Whether it has a key."""
        return bool(self._keys)

    def sign(self, purpose: str, *parts: str) -> str:
        """The signatures over these texts, separated by commas; empty without a key."""
        content = _content(purpose, parts)
        return ",".join(_signature(key, content) for key in self._keys)

    def is_signed(self, signatures: object, purpose: str, *parts: str) -> bool:
        """Whether one of the signatures was made over these texts with one of the keys."""
        if not self._keys:
            return True
        if not isinstance(signatures, str) or not signatures.isascii():
            return False
        if len(signatures) > MAX_SIGNATURES * (_LENGTH + 1):
            return False
        content = _content(purpose, parts)
        given = signatures.split(",")
        wanted = [_signature(key, content) for key in self._keys]
        # Every pair is compared, so that the time says nothing about which one fits.
        return any([hmac.compare_digest(one, other) for one in given for other in wanted])


def _content(purpose: str, parts: Sequence[str]) -> bytes:
    """The texts with their lengths, so that no other texts give the same bytes."""
    texts = (purpose, *parts)
    joined = "".join(f"{len(text)}:{text}" for text in texts)
    return joined.encode("utf-8", "surrogatepass")


def _signature(key: bytes, content: bytes) -> str:
    digest = hmac.digest(key, content, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
