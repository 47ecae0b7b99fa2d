"""YAML by PyYAML's safe loader, after its events have been looked through for what would grow."""

from typing import Any

import yaml

from app.broker.messages.bounds import DEPTH_LIMIT, VALUE_LIMIT
from app.errors import InvalidInput

ALIAS_LIMIT = 1_000
"""Kombu's own dumper writes one where a worker's reply holds the same list twice."""

_MERGE_TAG = "tag:yaml.org,2002:merge"

_Loader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def loads(data: bytes) -> Any:
    """The document in `data`. What its aliases refer to is shared, not copied.

    Raises:
        InvalidInput: it is not YAML, names Python objects, or is made to grow.
    """
    try:
        _look_through(data)
        return yaml.load(data, Loader=_Loader)  # both loaders are safe ones
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as exc:
        raise InvalidInput("not YAML of plain values") from exc


def dumps(value: object) -> bytes:
    """A plain value as a YAML document."""
    return yaml.safe_dump(value, encoding="utf-8")


def _look_through(data: bytes) -> None:
    """Refuse documents that are too deep, or that multiply by aliases or merge keys (`<<`).

    Raises:
        InvalidInput: such a document.
        YAMLError: it is not YAML.
    """
    depth = aliases = 0
    for count, event in enumerate(yaml.parse(data, Loader=_Loader)):
        match event:
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
            case yaml.AliasEvent():
                aliases += 1
            case yaml.ScalarEvent(tag=tag, value=value, implicit=(is_plain, _)):
                if tag == _MERGE_TAG or (is_plain and value == "<<"):
                    raise InvalidInput("YAML with a merge key")
            case _:
                pass
        if depth > DEPTH_LIMIT or aliases > ALIAS_LIMIT or count > VALUE_LIMIT:
            raise InvalidInput("YAML that is too deep, or of too many values or aliases")
