"""A message as it comes from the broker, checked before Celery sees it.

Celery and kombu trust the shape of a message: one without a delivery tag, with a list as its id or
a text as a time limit, ends the worker or leaks a slot. Producers differ (Celery of any release,
clients in other languages), so everything that they may leave out is optional here.
"""

import base64
import binascii
import codecs
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from celery.app.task import Context
from celery.utils.time import maybe_iso8601
from kombu import serialization

from app.broker.messages import bounds
from app.errors import InvalidInput
from app.storage import nesting

Json = Any  # a JSON value
Check = Callable[[Json], bool]

LONGEST_NAME = 255
LARGEST_NUMBER = 2**31 - 1
LONGEST_LIMIT_S = 10 * 366 * 86_400.0
YEARS = range(1971, 9000)
"""In which every time zone can express a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """What the worker decides by."""

    task: str
    task_id: str
    headers: Mapping[str, Json]
    body: bytes
    """Decompressed."""


def parse(raw: Json, *, accept: Collection[str]) -> ReceivedMessage:
    """Check a message whose JSON is parsed. `accept` are the content types of the worker.

    Raises InvalidInput, which says what is wrong and repeats nothing of the message.
    """
    if not isinstance(raw, dict):
        raise InvalidInput("it is not an object")
    headers = raw.get("headers")
    headers = {} if headers is None else headers
    _check_object("properties", raw.get("properties"), _PROPERTIES, required=("delivery_tag",))
    _check_delivery(raw["properties"].get("delivery_info"))
    _check_headers(headers)
    _check_content(raw, accept)
    body = _body(raw, headers)
    payload = _payload(body, raw)
    if isinstance(payload, dict):
        return _protocol_1(headers, payload, body)
    return _protocol_2(headers, payload, body)


def _protocol_2(headers: Mapping[str, Json], payload: Json, body: bytes) -> ReceivedMessage:
    """Celery 4 and later: the task is in the headers, its arguments are the body."""
    _check_object("headers", headers, _HEADERS, required=("id", "task"))
    if not isinstance(payload, list) or len(payload) != 3:
        raise InvalidInput("its body is not a list of arguments, keywords and options")
    args, kwargs, embedded = payload
    _check_arguments(args, kwargs)
    if embedded is not None:
        _check_object("options", embedded, _EMBEDDED)
        if not embedded.keys() <= _EMBEDDED.keys():
            raise InvalidInput("its options have unknown names")
    return ReceivedMessage(task=headers["task"], task_id=headers["id"], headers=headers, body=body)


def _protocol_1(
    headers: Mapping[str, Json], payload: dict[str, Json], body: bytes
) -> ReceivedMessage:
    """Celery 3 and many clients in other languages: everything is in the body. Hybrid messages have
    the headers of protocol 2 too, which win."""
    fields = {**payload, **{name: headers[name] for name in _HEADERS if name in headers}}
    _check_object("body", payload, {**_HEADERS, **_EMBEDDED, "utc": _is_flag, "taskset": _is_text})
    _check_object("body", fields, _HEADERS, required=("id", "task"))
    _check_object("headers", headers, _HEADERS)
    _check_reserved(payload.keys() - {"args", "kwargs", "utc", "taskset", *_EMBEDDED})
    _check_arguments(payload.get("args", []), payload.get("kwargs", {}))
    return ReceivedMessage(task=fields["task"], task_id=fields["id"], headers=headers, body=body)


def _check_object(
    what: str, value: Json, checks: Mapping[str, Check], *, required: Collection[str] = ()
) -> None:
    if not isinstance(value, dict):
        raise InvalidInput(f"its {what} are not an object")
    for name, fits in checks.items():
        if name in required and value.get(name) is None:
            raise InvalidInput(f"its {what} have no {name}")
        if value.get(name) is not None and not fits(value[name]):
            raise InvalidInput(f"its {what} have an unusable {name}")


def _check_headers(headers: Json) -> None:
    if not isinstance(headers, dict):
        raise InvalidInput("its headers are not an object")
    try:
        text = json.dumps(headers, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError) as error:  # half a character, or not a number
        raise InvalidInput("its headers cannot be encoded") from error
    if _may_be_deep(text.count("["), text.count("{")) and nesting.is_too_deep(headers):
        raise InvalidInput("its headers are nested too deeply")
    _check_reserved(headers.keys())


def _check_reserved(names: Collection[str]) -> None:
    """Celery makes attributes of a request of every name, also of those that are its methods."""
    if any(name in _RESERVED or name.startswith("__") for name in names):
        raise InvalidInput("it sets what only a worker sets")


def _check_delivery(info: Json) -> None:
    """kombu stores exchange and routing key of each message that it delivers."""
    if not isinstance(info, dict):
        raise InvalidInput("its delivery info is not an object")
    if not all(isinstance(info.get(name), str) for name in ("exchange", "routing_key")):
        raise InvalidInput("its delivery info has no exchange or no routing key")


def _check_content(raw: Mapping[str, Json], accept: Collection[str]) -> None:
    content_type, encoding = raw.get("content-type"), raw.get("content-encoding")
    if not isinstance(content_type, str) or content_type not in accept:
        raise InvalidInput("its content type is not accepted")
    if encoding is not None and not _is_encoding(encoding):
        raise InvalidInput("its content encoding is unknown")


def _body(raw: Mapping[str, Json], headers: Mapping[str, Json]) -> bytes:
    text, compression = raw.get("body"), headers.get("compression")
    if not isinstance(text, str) or not text:
        raise InvalidInput("it has no body")
    try:
        is_base64 = raw["properties"].get("body_encoding") == "base64"
        body = base64.b64decode(text) if is_base64 else text.encode()
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("its body cannot be decoded") from error
    if compression is None:
        return body
    if not isinstance(compression, str):
        raise InvalidInput("its compression is unknown")
    return bounds.decompress(body, compression)


def _payload(body: bytes, raw: Mapping[str, Json]) -> Json:
    try:
        payload = serialization.loads(body, raw["content-type"], "utf-8", force=True)
        if b"\\u" in body:  # half a character, which no result or log can hold
            json.dumps(payload, ensure_ascii=False, default=str).encode()
    except Exception as error:  # kombu's decoders raise what they like
        raise InvalidInput("its body cannot be read") from error
    if _may_be_deep(body.count(b"["), body.count(b"{")) and nesting.is_too_deep(payload):
        raise InvalidInput("its body is nested too deeply")
    return payload


def _may_be_deep(arrays: int, objects: int) -> bool:
    """Whether a value with so many brackets may be too deep: most messages need no walk."""
    return arrays + objects > nesting.MAX_DEPTH


def _check_arguments(args: Json, kwargs: Json) -> None:
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise InvalidInput("its arguments are not a list and an object")


def _is_name(value: Json) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_flag(value: Json) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Json) -> bool:
    return type(value) is int and abs(value) <= LARGEST_NUMBER


def _is_count(value: Json) -> bool:
    return _is_whole(value) and bool(value >= 0)


def _is_limit(value: Json) -> bool:
    is_number = type(value) in (int, float) and math.isfinite(value)
    return value is None or (is_number and 0 <= value <= LONGEST_LIMIT_S)


def _are_limits(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_limit, value))


def _is_moment(value: Json) -> bool:
    try:
        moment = maybe_iso8601(value)
    except (AttributeError, TypeError, ValueError):
        return False
    return isinstance(moment, datetime) and moment.year in YEARS


def _are_names(value: Json) -> bool:
    return isinstance(value, list) and all(map(_is_name, value))


def _is_object(value: Json) -> bool:
    return isinstance(value, dict)


def _is_encoding(value: Json) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return value in ("utf-8", "binary") or bool(codecs.lookup(value))
    except (LookupError, ValueError):
        return False


def _is_signature(value: Json) -> bool:
    return (
        isinstance(value, dict)
        and _is_name(value.get("task"))
        and isinstance(value.get("args") or [], list)
        and isinstance(value.get("kwargs") or {}, dict)
        and isinstance(value.get("options") or {}, dict)
    )


def _are_signatures(value: Json) -> bool:
    return isinstance(value, list) and all(map(_is_signature, value))


_PROPERTIES: Mapping[str, Check] = MappingProxyType(
    {
        "delivery_tag": _is_name,
        "body_encoding": lambda value: value == "base64",
        "correlation_id": _is_name,
        "reply_to": _is_text,
        "priority": _is_whole,
    }
)
_HEADERS: Mapping[str, Check] = MappingProxyType(
    {
        **dict.fromkeys(("id", "task", "root_id", "parent_id", "group"), _is_name),
        **dict.fromkeys(("shadow", "origin", "argsrepr", "kwargsrepr", "lang", "meth"), _is_text),
        **dict.fromkeys(("eta", "expires"), _is_moment),
        **dict.fromkeys(("retries", "replaced_task_nesting"), _is_count),
        "group_index": _is_whole,
        "timelimit": _are_limits,
        "ignore_result": _is_flag,
        "stamped_headers": _are_names,
        "stamps": _is_object,
    }
)
_EMBEDDED: Mapping[str, Check] = MappingProxyType(
    {
        "callbacks": _are_signatures,
        "errbacks": _are_signatures,
        "chain": _are_signatures,
        "chord": _is_signature,
    }
)
_RESERVED = frozenset(dir(Context)) - _HEADERS.keys() | {"celeriac_work"}
