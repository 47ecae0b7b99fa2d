"""One body of a message: decompressed, then read by the reader of its content type."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from app.broker.messages import bounds, compression, message_pack, pickled, yaml_document
from app.errors import InvalidInput

JSON = "application/json"
PICKLE = "application/x-python-serialize"
MESSAGE_PACK = "application/x-msgpack"
YAML = "application/x-yaml"

Value = Any  # a plain value: the type system has no better word for it


def _load_json(body: bytes) -> Value:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput("not JSON") from exc


_READERS: Mapping[str, Callable[[bytes], Value]] = {
    JSON: _load_json,
    PICKLE: pickled.loads,
    MESSAGE_PACK: message_pack.loads,
    YAML: yaml_document.loads,
}

_WRITERS: Mapping[str, tuple[Callable[[object], bytes], str]] = {
    JSON: (lambda value: json.dumps(value).encode(), "utf-8"),
    PICKLE: (pickled.dumps, "binary"),
    MESSAGE_PACK: (message_pack.dumps, "binary"),
    YAML: (yaml_document.dumps, "utf-8"),
}

SPOKEN = tuple(_WRITERS)
"""Content types that can be written, the most common ones first."""


def is_spoken(content_type: str) -> bool:
    """Whether bodies of this type can be written."""
    return content_type in _WRITERS


def read_body(body: bytes, *, content_type: str, compressed_by: str | None = None) -> Value:
    """The plain value in a body.

    Raises:
        InvalidInput: it is not of this type, not of plain values, or too large.
    """
    bounds.check_size(body)
    if content_type not in _READERS:
        raise InvalidInput(f"a body of the type {content_type!r}")
    if compressed_by is not None:
        body = compression.decompress(body, compressed_by)
    value = _READERS[content_type](body)
    bounds.check_value(value)
    return value


def write_body(value: object, *, content_type: str) -> tuple[bytes, str]:
    """A plain value as a body, and the name of its encoding as kombu has it."""
    write, encoding = _WRITERS[content_type]
    return write(value), encoding
