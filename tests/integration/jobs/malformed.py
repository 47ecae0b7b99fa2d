"""Messages that no worker can run, as somebody who may write to the broker pushes them."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from app.broker.messages.envelope import build_message

Raw = dict[str, Any]  # JSON
MARK = "m4rk3d-content"
"""In everything that a message chooses: no log may repeat it."""

TASK = "probe_second"


def good(**headers: object) -> Raw:
    """A plain message that a worker runs."""
    arguments = [{"name": MARK, "plan": {}, "trail": []}]
    raw: Raw = json.loads(
        build_message(
            [arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}],
            exchange="",
            routing_key="download",
            headers={
                **{"lang": "py", "task": TASK, "id": f"id-{MARK}", "retries": 0, "eta": None},
                **{"expires": None, "timelimit": [None, None], "group": None, **headers},
            },
        )
    )
    return raw


def with_headers(**headers: object) -> bytes:
    return json.dumps(good(**headers)).encode()


def with_properties(**properties: object) -> bytes:
    raw = good()
    raw["properties"].update(properties)
    return json.dumps(raw).encode()


def with_fields(**fields: object) -> bytes:
    return json.dumps(
        {**good(), **{name.replace("_", "-"): it for name, it in fields.items()}}
    ).encode()


def without(*path: str) -> bytes:
    raw = good()
    inner = raw
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return json.dumps(raw).encode()


def with_body(body: bytes) -> bytes:
    return json.dumps({**good(), "body": base64.b64encode(body).decode()}).encode()


def with_payload(payload: object) -> bytes:
    return with_body(json.dumps(payload).encode())


def with_options(**options: object) -> bytes:
    return with_payload([[{"name": MARK}], {}, options])


def protocol_1(**fields: object) -> bytes:
    raw = good()
    body = {"task": TASK, "id": f"id-{MARK}", "args": [{"name": MARK}], "kwargs": {}, **fields}
    body = {name: value for name, value in body.items() if value is not None}
    raw["headers"] = {}
    return json.dumps(
        {**raw, "body": base64.b64encode(json.dumps(body).encode()).decode()}
    ).encode()


DEEP = b"[" * 100_000 + b"]" * 100_000
DEEP_ENOUGH: Any = json.loads("[" * 300 + "]" * 300)  # what Python parses and others do not
SIGNATURE = {"task": TASK, "args": [], "kwargs": {}, "options": {}}

MALFORMED: Mapping[str, bytes] = {
    "nothing": b"",
    "not JSON": b"hello " + MARK.encode(),
    "not UTF-8": b"\xff\xfe\x00" + MARK.encode(),
    "cut off": with_headers()[:-20],
    "an array": b"[1, 2, 3]",
    "a number": b"17",
    "a text": b'"text"',
    "null": b"null",
    "a huge number": b"9" * 10_000,
    "deep nesting": DEEP,
    "an empty object": b"{}",
    "no properties": without("properties"),
    "properties that are a list": with_fields(properties=[]),
    "properties that are a text": with_fields(properties="x"),
    "no delivery tag": without("properties", "delivery_tag"),
    "a list as delivery tag": with_properties(delivery_tag=["x"]),
    "an object as delivery tag": with_properties(delivery_tag={}),
    "a number as delivery tag": with_properties(delivery_tag=7),
    "no delivery info": without("properties", "delivery_info"),
    "a list as delivery info": with_properties(delivery_info=[]),
    "no exchange": with_properties(delivery_info={"routing_key": "download"}),
    "no routing key": with_properties(delivery_info={"exchange": ""}),
    "an object as exchange": with_properties(delivery_info={"exchange": {}, "routing_key": "x"}),
    "an unknown body encoding": with_properties(body_encoding="rot13"),
    "a list as body encoding": with_properties(body_encoding=[]),
    "a list as correlation id": with_properties(correlation_id=[MARK]),
    "a list as reply address": with_properties(reply_to=[MARK]),
    "a list as priority": with_properties(priority=[]),
    "no body": without("body"),
    "null as body": with_fields(body=None),
    "an empty body": with_fields(body=""),
    "an object as body": with_fields(body={}),
    "bad base64": with_fields(body="abcde"),
    "a body that is not base64": with_fields(body="\u00e4\u00f6\u00fc"),
    "a body that is not JSON": with_body(MARK.encode()),
    "a body that is not UTF-8": with_body(b"\xff\xfe" + MARK.encode()),
    "a cut off body": with_body(b'[[1], {"a": 1'),
    "a deep body": with_body(DEEP),
    "a body that others find deep": with_payload([[DEEP_ENOUGH], {}, None]),
    "a huge number in the body": with_body(b"[[" + b"9" * 10_000 + b"], {}, null]"),
    "half a character in the body": with_body(b'[["\\ud800"], {}, null]'),
    "a number as body": with_payload(7),
    "a text as body": with_payload("text"),
    "null in the body": with_body(b"null"),
    "an empty list as body": with_payload([]),
    "a body of two parts": with_payload([[], {}]),
    "a body of four parts": with_payload([[], {}, {}, {}]),
    "an object as arguments": with_payload([{}, {}, {}]),
    "a text as arguments": with_payload([MARK, {}, {}]),
    "null as arguments": with_payload([None, {}, {}]),
    "a list as keyword arguments": with_payload([[], [], {}]),
    "a list as options": with_payload([[], {}, []]),
    "an unknown option": with_options(is_eager=True),
    "an object as callbacks": with_options(callbacks=SIGNATURE),
    "a callback that is a text": with_options(callbacks=[MARK]),
    "a callback without a task": with_options(callbacks=[{"args": []}]),
    "an errback of odd arguments": with_options(errbacks=[{**SIGNATURE, "args": MARK}]),
    "a chain that is a number": with_options(chain=7),
    "a chord that is a list": with_options(chord=[SIGNATURE]),
    "a date that is none": with_body(
        b'[[{"__type__": "datetime", "__value__": "yesterday"}], {}, null]'
    ),
    "an object of kombu's that is none": with_headers(x={"__type__": "uuid", "__value__": "y"}),
    "a date of kombu's that is none": with_headers(x={"__type__": "datetime", "__value__": [1]}),
    "headers that are a list": with_fields(headers=[1]),
    "headers that are a text": with_fields(headers=MARK),
    "no task": without("headers", "task"),
    "null as task": with_headers(task=None),
    "a list as task": with_headers(task=[TASK]),
    "an object as task": with_headers(task={}),
    "an empty task": with_headers(task=""),
    "a long task": with_headers(task="x" * 100_000),
    "an unknown task": with_headers(task=f"no-such-task-{MARK}"[:20]),
    "no id": without("headers", "id"),
    "null as id": with_headers(id=None),
    "a list as id": with_headers(id=[MARK]),
    "an object as id": with_headers(id={"a": MARK}),
    "a number as id": with_headers(id=7),
    "an empty id": with_headers(id=""),
    "an id with a line break": with_headers(id="a\nb"),
    "an id with a zero": with_headers(id="a\x00b"),
    "half a character as id": with_headers(id="\ud800"),
    "a list as root id": with_headers(root_id=[]),
    "an object as parent id": with_headers(parent_id={"a": 1}),
    "an object as group": with_headers(group={"a": 1}),
    "a text as group index": with_headers(group_index="first"),
    "an ETA that is no time": with_headers(eta="soon"),
    "a number as ETA": with_headers(eta=1_700_000_000),
    "an ETA before time zones": with_headers(eta="0001-01-01T00:00:00+14:00"),
    "an ETA after all": with_headers(eta="9999-12-31T23:59:59-14:00"),
    "a list as ETA": with_headers(eta=[2026, 1, 1]),
    "an expiry that is no time": with_headers(expires="never"),
    "a number as expiry": with_headers(expires=60),
    "an object as expiry": with_headers(expires={"in": 60}),
    "a text as retries": with_headers(retries="many"),
    "negative retries": with_headers(retries=-1),
    "endless retries": with_headers(retries=10**30),
    "a list as retries": with_headers(retries=[1]),
    "a number as time limit": with_headers(timelimit=7),
    "texts as time limits": with_headers(timelimit=["long", "longer"]),
    "one time limit": with_headers(timelimit=[1]),
    "negative time limits": with_headers(timelimit=[-1, -1]),
    "an endless time limit": with_headers(timelimit=[1e308, None]),
    "an object as time limit": with_headers(timelimit={"soft": 1}),
    "a time limit of NaN": with_headers(timelimit=[float("nan"), None]),
    "a list as shadow": with_headers(shadow=[MARK]),
    "an object as shown arguments": with_headers(argsrepr={"a": MARK}),
    "a text as truth": with_headers(ignore_result="yes"),
    "a number as stamped headers": with_headers(stamped_headers=7),
    "a list of lists as stamped headers": with_headers(stamped_headers=[[MARK]]),
    "a list as stamps": with_headers(stamps=[1], stamped_headers=["a"]),
    "a text as nesting": with_headers(replaced_task_nesting="deep"),
    "deep headers": with_headers(deep=DEEP_ENOUGH),
    "a method of Celery's request": with_headers(update=MARK),
    "a flag that only workers set": with_headers(called_directly=True),
    "a class": with_headers(__class__=MARK),
    "arguments in the headers": with_headers(args=[MARK], kwargs={}),
    "no content type": without("content-type"),
    "a list as content type": with_fields(content_type=[]),
    "pickle": with_fields(content_type="application/x-python-serialize"),
    "YAML": with_fields(content_type="application/x-yaml"),
    "text": with_fields(content_type="text/plain"),
    "an unknown content type": with_fields(content_type=f"application/{MARK}"),
    "an unknown content encoding": with_fields(content_encoding="klingon"),
    "a list as content encoding": with_fields(content_encoding=[]),
    "a zero in the content encoding": with_fields(content_encoding="utf\x008"),
    "an unknown compression": with_headers(compression="application/x-nothing"),
    "a list as compression": with_headers(compression=[]),
    "a compression of nothing": with_headers(compression="application/x-gzip"),
    "protocol 1 without an id": protocol_1(id=None),
    "protocol 1 without a task": protocol_1(task=None),
    "protocol 1 with a list as id": protocol_1(id=[MARK]),
    "protocol 1 with a list as keyword arguments": protocol_1(kwargs=[1]),
    "protocol 1 with a text as arguments": protocol_1(args=MARK),
    "protocol 1 with an odd ETA": protocol_1(eta=["soon"]),
    "protocol 1 with an odd time limit": protocol_1(timelimit="long"),
    "protocol 1 that is eager": protocol_1(is_eager=True),
    "protocol 1 with odd callbacks": protocol_1(callbacks=MARK),
}

ACCEPTED: Mapping[str, Callable[[], bytes]] = {
    "a message of Celery": with_headers,
    "a message of protocol 1": protocol_1,
    "no optional header": lambda: json.dumps(
        {**good(), "headers": {"task": TASK, "id": "minimal"}}
    ).encode(),
    "no content encoding": lambda: without("content-encoding"),
    "a custom header": lambda: with_headers(traceparent="00-1-1-01", baggage={"a": [1]}),
    "null as headers, in protocol 1": lambda: json.dumps(
        {**json.loads(protocol_1()), "headers": None}
    ).encode(),
    "a body that is not in base64": lambda: json.dumps(
        {
            **good(),
            "body": "[[{}], {}, null]",
            "properties": {**good()["properties"], "body_encoding": None},
        }
    ).encode(),
}
