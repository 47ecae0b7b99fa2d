"""Undoes the compression of a message's body (`kombu.compression`), never beyond a bound."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from app.broker.messages.bounds import BODY_LIMIT_BYTES
from app.errors import InvalidInput

_DICTIONARY_LIMIT_BYTES = 64 * 1024 * 1024
"""What an LZMA stream may ask for before it has said anything."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_DECOMPRESSORS: Mapping[str, Callable[[], _Decompressor]] = {
    # kombu calls zlib's own format gzip; both are recognised.
    "application/x-gzip": lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 32),
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lambda: lzma.LZMADecompressor(memlimit=_DICTIONARY_LIMIT_BYTES),
}


def decompress(body: bytes, method: str) -> bytes:
    """The body as it was before the compression that its header names.

    Raises:
        InvalidInput: an unknown method, a broken stream, or one that grows too large.
    """
    if method not in _DECOMPRESSORS:
        raise InvalidInput(f"a body compressed by {method!r}")
    decompressor = _DECOMPRESSORS[method]()
    try:
        # One byte more than is allowed: whoever fills it is too large.
        found = decompressor.decompress(body, BODY_LIMIT_BYTES + 1)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as exc:
        raise InvalidInput(f"a broken body ({method})") from exc
    if len(found) > BODY_LIMIT_BYTES or not decompressor.eof:
        raise InvalidInput(f"a body that is cut off or grows beyond {BODY_LIMIT_BYTES} bytes")
    return found
