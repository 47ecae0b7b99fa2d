"""MessagePack of plain values, without extension types.

Not a library, because this reader stops at our own bounds and needs no compiled package in the
operator's image.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from app.broker.messages.bounds import DEPTH_LIMIT, VALUE_LIMIT
from app.errors import InvalidInput

_NUMBERS: Mapping[int, str] = {
    **{0xCA: ">f", 0xCB: ">d"},
    **{0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"},
    **{0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"},
}
_CONSTANTS: Mapping[int, bool | None] = {0xC0: None, 0xC2: False, 0xC3: True}
_BYTES: Mapping[int, str] = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
_TEXTS: Mapping[int, str] = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_LISTS: Mapping[int, str] = {0xDC: ">H", 0xDD: ">I"}
_MAPS: Mapping[int, str] = {0xDE: ">H", 0xDF: ">I"}


def loads(data: bytes) -> Any:
    """Parse MessagePack to a plain value.

    Raises:
        InvalidInput: it is not MessagePack, or does not hold plain values.
    """
    reader = _Reader(data)
    try:
        value = reader.value(depth=0)
    except (struct.error, UnicodeDecodeError, TypeError) as exc:
        raise InvalidInput("not MessagePack") from exc
    if not reader.is_at_end:
        raise InvalidInput("not MessagePack: something follows the value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._values = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def value(self, *, depth: int) -> Any:
        self._values += 1
        if depth > DEPTH_LIMIT or self._values > VALUE_LIMIT:
            raise InvalidInput("MessagePack that is too deep, or of too many values")
        code = self._number(">B")
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            return self._number(_NUMBERS[code])
        if code < 0x80 or code >= 0xE0:
            return code if code < 0x80 else code - 0x100
        return self._sized(code, depth=depth)

    def _sized(self, code: int, *, depth: int) -> Any:
        if code < 0x90:
            return self._map(code & 0x0F, depth=depth)
        if code < 0xA0:
            return self._list(code & 0x0F, depth=depth)
        if code < 0xC0:
            return self._bytes(code & 0x1F).decode()
        if code in _TEXTS:
            return self._bytes(self._number(_TEXTS[code])).decode()
        if code in _BYTES:
            return self._bytes(self._number(_BYTES[code]))
        if code in _LISTS:
            return self._list(self._number(_LISTS[code]), depth=depth)
        if code in _MAPS:
            return self._map(self._number(_MAPS[code]), depth=depth)
        raise InvalidInput(f"MessagePack with the code {code:#x}, which is no plain value's")

    def _number(self, form: str) -> Any:  # an integer or a float, depending on the form
        (number,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return number

    def _bytes(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) < size:
            raise InvalidInput("not MessagePack: it is cut off")
        self._at += size
        return found

    def _list(self, size: int, *, depth: int) -> list[Any]:
        # Grows with the data: the size is only what the body claims.
        return [self.value(depth=depth + 1) for _ in range(size)]

    def _map(self, size: int, *, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for _ in range(size):
            key = self.value(depth=depth + 1)
            if isinstance(key, list | dict):
                raise InvalidInput("MessagePack with a key that is no plain value")
            found[key] = self.value(depth=depth + 1)
        return found


def dumps(value: object) -> bytes:
    """Encode a plain value as MessagePack.

    Raises:
        TypeError: it is not a plain value.
    """
    return b"".join(_pieces(value))


def _pieces(value: object) -> Iterator[bytes]:
    match value:
        case None | bool():
            yield {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
        case int() | float():
            code, form = (b"\xd3", ">q") if isinstance(value, int) else (b"\xcb", ">d")
            yield code + struct.pack(form, value)
        case str() | bytes():
            code, data = (b"\xdb", value.encode()) if isinstance(value, str) else (b"\xc6", value)
            yield code + struct.pack(">I", len(data)) + data
        case dict():
            yield b"\xdf" + struct.pack(">I", len(value))
            for item in value.items():
                yield from (piece for part in item for piece in _pieces(part))
        case list() | tuple():
            yield b"\xdd" + struct.pack(">I", len(value))
            yield from (piece for item in value for piece in _pieces(item))
        case _:
            raise TypeError(f"not a plain value: {type(value).__name__}")
