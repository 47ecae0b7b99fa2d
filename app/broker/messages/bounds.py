"""Limits for the size and depth of a body, before and after decompression (`kombu.compression`)."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from app.errors import InvalidInput

BODY_LIMIT_BYTES = 8 * 1024 * 1024
"""Also after decompression. A worker with 1,000 running tasks answers with about 2.5 MB."""
VALUE_LIMIT = 100_000
"""Values in a body; a value that is referred to twice counts twice."""
DEPTH_LIMIT = 64


def check_size(body: bytes) -> None:
    """Refuse a body that is too long.

    Raises:
        InvalidInput: the body is too long.
    """
    if len(body) > BODY_LIMIT_BYTES:
        raise InvalidInput(f"a body of more than {BODY_LIMIT_BYTES} bytes")


def check_value(value: object) -> None:
    """Refuse a value that is too large or too deep to be traversed, or that contains itself.

    Raises:
        InvalidInput: the value is refused.
    """
    count = 0
    level: list[object] = [value]
    for _ in range(DEPTH_LIMIT):
        count += len(level)
        if count > VALUE_LIMIT:
            raise InvalidInput(f"a body of more than {VALUE_LIMIT} values")
        level = _children(level, limit=VALUE_LIMIT - count)
        if not level:
            return
    raise InvalidInput(f"a body that is more than {DEPTH_LIMIT} levels deep")


def _children(level: list[object], *, limit: int) -> list[object]:
    """The values inside these values, cut off once there are too many."""
    found: list[object] = []
    for value in level:
        if isinstance(value, dict):
            found.extend(value)
            found.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            found.extend(value)
        if len(found) > limit:
            break
    return found


_DICTIONARY_LIMIT_BYTES = 64 * 1024 * 1024
"""Memory that the header of an LZMA stream may ask for."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_DECOMPRESSORS: Mapping[str, Callable[[], _Decompressor]] = {
    # kombu writes zlib's format under the name of gzip; both formats are accepted.
    "application/x-gzip": lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 32),
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lambda: lzma.LZMADecompressor(memlimit=_DICTIONARY_LIMIT_BYTES),
}


def decompress(body: bytes, method: str) -> bytes:
    """Undo the compression that the header of a message names.

    Raises:
        InvalidInput: an unknown method, a broken stream, or one that grows too large.
    """
    if method not in _DECOMPRESSORS:
        raise InvalidInput(f"a body compressed by {method!r}")
    decompressor = _DECOMPRESSORS[method]()
    try:
        # One byte above the limit shows that the output is too large.
        found = decompressor.decompress(body, BODY_LIMIT_BYTES + 1)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as exc:
        raise InvalidInput(f"a broken body ({method})") from exc
    if len(found) > BODY_LIMIT_BYTES or not decompressor.eof:
        raise InvalidInput(f"a body that is cut off or grows beyond {BODY_LIMIT_BYTES} bytes")
    return found
