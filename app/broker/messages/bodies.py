"""Bodies of messages: decompressed, then parsed by their content type."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from app.broker.messages import bounds, message_pack, pickled
from app.errors import InvalidInput

JSON = "application/json"
PICKLE = "application/x-python-serialize"
MESSAGE_PACK = "application/x-msgpack"
YAML = "application/x-yaml"

YAML_ALIAS_LIMIT = 1_000
"""Kombu's dumper writes an alias where a worker's reply holds the same list twice."""

_YAML_MERGE_TAG = "tag:yaml.org,2002:merge"

_YamlLoader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)

Value = Any  # a plain value: the type system has no better word for it


def _load_json(body: bytes) -> Value:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput("not JSON") from exc


def _load_yaml(data: bytes) -> Any:
    """Parse a document. What its aliases refer to is shared, not copied.

    Raises:
        InvalidInput: it is not YAML, names Python objects, or would grow beyond the bounds.
    """
    try:
        _check_events(data)
        return yaml.load(data, Loader=_YamlLoader)  # both loaders are safe ones
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as exc:
        raise InvalidInput("not YAML of plain values") from exc


def _dump_yaml(value: object) -> bytes:
    """A plain value as a YAML document."""
    return yaml.safe_dump(value, encoding="utf-8")


def _check_events(data: bytes) -> None:
    """Refuse documents that are too deep, or that multiply by aliases or merge keys (`<<`).

    Raises:
        InvalidInput: such a document.
        YAMLError: it is not YAML.
    """
    depth = aliases = 0
    for count, event in enumerate(yaml.parse(data, Loader=_YamlLoader)):
        match event:
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
            case yaml.AliasEvent():
                aliases += 1
            case yaml.ScalarEvent(tag=tag, value=value, implicit=(is_plain, _)):
                if tag == _YAML_MERGE_TAG or (is_plain and value == "<<"):
                    raise InvalidInput("YAML with a merge key")
            case _:
                pass
        if depth > bounds.DEPTH_LIMIT or aliases > YAML_ALIAS_LIMIT or count > bounds.VALUE_LIMIT:
            raise InvalidInput("YAML that is too deep, or of too many values or aliases")


_READERS: Mapping[str, Callable[[bytes], Value]] = {
    JSON: _load_json,
    PICKLE: pickled.loads,
    MESSAGE_PACK: message_pack.loads,
    YAML: _load_yaml,
}

_WRITERS: Mapping[str, tuple[Callable[[object], bytes], str]] = {
    JSON: (lambda value: json.dumps(value).encode(), "utf-8"),
    PICKLE: (pickled.dumps, "binary"),
    MESSAGE_PACK: (message_pack.dumps, "binary"),
    YAML: (_dump_yaml, "utf-8"),
}

WRITABLE = tuple(_WRITERS)
"""Content types that can be written, the most common ones first."""


def is_writable(content_type: str) -> bool:
    """Whether bodies of this type can be written."""
    return content_type in _WRITERS


def read_body(body: bytes, *, content_type: str, compressed_by: str | None = None) -> Value:
    """Parse a body to a plain value.

    Raises:
        InvalidInput: the body has another type, is too large, or does not hold plain values.
    """
    bounds.check_size(body)
    if content_type not in _READERS:
        raise InvalidInput(f"a body of the type {content_type!r}")
    if compressed_by is not None:
        body = bounds.decompress(body, compressed_by)
    value = _READERS[content_type](body)
    bounds.check_value(value)
    return value


def write_body(value: object, *, content_type: str) -> tuple[bytes, str]:
    """Encode a plain value as a body; returns kombu's name of the encoding too."""
    write, encoding = _WRITERS[content_type]
    return write(value), encoding
