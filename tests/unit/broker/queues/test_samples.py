"""When messages are due: parsed, and never taken from the wrong place."""

import base64
import json
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery

from app.broker.messages import bodies
from app.broker.queues import samples
from app.broker.queues.samples import HeldMessage, MessageTimes

ETA = "2026-01-01T00:00:00+00:00"
ETA_S = 1767225600.0


def message(**parts: Any) -> bytes:  # Any: JSON
    return json.dumps(parts).encode()


def protocol_1(body: object, **parts: Any) -> bytes:  # Any: JSON
    encoded = base64.b64encode(json.dumps(body).encode()).decode()
    plain = {"content-type": "application/json", "properties": {"body_encoding": "base64"}}
    return message(body=encoded, headers={}, **{**plain, **parts})


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(message(headers={"task": "t", "eta": ETA}), id="protocol 2"),
        pytest.param(message(headers={"task": "t", "eta": "2026-01-01T00:00:00"}), id="no zone"),
        pytest.param(
            message(headers={"task": "t", "eta": "2026-01-01T05:30:00+05:30"}), id="another zone"
        ),
        pytest.param(protocol_1({"task": "t", "eta": ETA}), id="protocol 1"),
        pytest.param(
            message(
                body=json.dumps({"task": "t", "eta": ETA}),
                **{"content-type": "application/json"},
            ),
            id="protocol 1 without base64",
        ),
    ],
)
def test_the_eta_of_a_message_is_read(raw: bytes) -> None:
    assert samples.parse_ready(raw) == MessageTimes(eta_s=ETA_S)


@pytest.mark.parametrize("content_type", bodies.WRITABLE)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_the_eta_of_protocol_1_is_read_in_every_serializer(
    content_type: str, *, is_compressed: bool
) -> None:
    """Issue 9: only JSON was read, and tasks due in an hour counted as work now."""
    with Celery(set_as_current=False) as app:
        eta = datetime.fromtimestamp(ETA_S, UTC)
        task = app.amqp.as_task_v1("id", "t", args=[1], kwargs={"a": "b"}, eta=eta).body
    body, _ = bodies.write_body(task, content_type=content_type)
    raw = message(
        body=base64.b64encode(zlib.compress(body) if is_compressed else body).decode(),
        headers={"compression": "application/x-gzip"} if is_compressed else {},
        properties={"body_encoding": "base64"},
        **{"content-type": content_type},
    )

    assert samples.parse_ready(raw) == MessageTimes(eta_s=ETA_S)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(message(headers={"task": "t", "x": {"eta": ETA}}), id="a nested header"),
        pytest.param(message(headers={"task": "t", "argsrepr": f'("eta": "{ETA}")'}), id="text"),
        pytest.param(message(eta=ETA, headers={"task": "t"}), id="beside the headers"),
        pytest.param(message(headers={"task": "t", "x": [{"timestamp": 1}]}), id="a timestamp"),
        pytest.param(message(headers={"task": "t"}, timestamp=1), id="not a property"),
        pytest.param(protocol_1({"task": "t", "kwargs": {"eta": ETA}}), id="an argument"),
        pytest.param(protocol_1([[], {"eta": ETA}, {}]), id="a body of protocol 2"),
        pytest.param(protocol_1({"eta": ETA}), id="a body that is not a task"),
        pytest.param(
            protocol_1({"task": "t", "eta": ETA}, **{"content-type": "x"}), id="not JSON inside"
        ),
        pytest.param(message(headers={"task": "t", "eta": "tomorrow"}), id="not a moment"),
        pytest.param(message(headers={"task": "t", "eta": 5}), id="a number"),
        pytest.param(
            message(headers={"task": "t"}, properties={"timestamp": True}), id="a boolean"
        ),
        pytest.param(
            message(headers={"task": "t"}, properties={"timestamp": 10**400}), id="a giant number"
        ),
        pytest.param(b"[" * 100_000, id="nested too deep"),
        pytest.param(b"\xff\xfe", id="bytes"),
        pytest.param(b"5", id="another JSON value"),
        pytest.param(message(headers=[1], properties="x", body=3), id="other types"),
    ],
)
def test_what_is_elsewhere_means_nothing(raw: bytes) -> None:
    assert samples.parse_ready(raw) == MessageTimes()


def test_our_own_stamp_comes_before_the_property() -> None:
    raw = message(headers={"celeriac_published_at": 7.5}, properties={"timestamp": 3})

    assert samples.parse_ready(raw) == MessageTimes(published_at_s=7.5)


def test_a_message_waits_from_its_eta_on() -> None:
    assert MessageTimes(published_at_s=10.0, eta_s=40.0).waiting_since_s() == 40.0
    assert MessageTimes(published_at_s=50.0, eta_s=40.0).waiting_since_s() == 50.0


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param(
            [{}, "x", "k"],
            HeldMessage(exchange="x", routing_key="k", times=MessageTimes()),
            id="a message",
        ),
        pytest.param(
            [{}, None, 3],
            HeldMessage(exchange="", routing_key="", times=MessageTimes()),
            id="odd names",
        ),
        pytest.param({}, None, id="another shape"),
        pytest.param([{}], None, id="too short"),
    ],
)
def test_held_values_are_read(value: object, want: HeldMessage | None) -> None:
    assert samples.parse_held(json.dumps(value).encode()) == want
