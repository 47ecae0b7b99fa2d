"""What is read from kombu's messages, and what is not taken for one."""

import json

import pytest

from app.broker import redis_keys
from app.broker.messages import envelope
from app.broker.model import Heartbeat, NodeName
from app.broker.redis_keys import Keys
from app.broker.workers import heartbeats
from app.errors import InvalidInput


def opened(raw: bytes | str) -> tuple[object, object]:
    found = envelope.parse_envelope(raw)
    return found.headers, found.open()


def test_a_message_is_read_as_it_was_built() -> None:
    message = envelope.build_message({"a": [1]}, exchange="x", headers={"ticket": "t"})

    assert opened(message) == ({"ticket": "t"}, {"a": [1]})


def test_a_message_without_base64_is_read() -> None:
    message = json.dumps({"body": '{"a": 1}', "headers": {}, "properties": {}})

    assert opened(message) == ({}, {"a": 1})


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\x00", id="bytes"),
        pytest.param(b"[]", id="JSON of another shape"),
        pytest.param(b'{"body": "e30=", "properties": null}', id="no properties"),
        pytest.param(
            b'{"body": "%%%", "properties": {"body_encoding": "base64"}}', id="broken base64"
        ),
        pytest.param(
            b'{"body": "gAR9lC4=", "properties": {"body_encoding": "base64"}}', id="a pickle"
        ),
    ],
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        opened(raw)


def test_parse_heartbeat_reads_a_heartbeat() -> None:
    found = heartbeats.parse_heartbeat(
        {"hostname": "a@h", "active": 2, "processed": 7, "freq": 2.0, "timestamp": 1.0}, now_s=50.0
    )

    assert found == Heartbeat(node=NodeName("a@h"), active=2, processed=7, seen_at_s=50.0)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"hostname": "a@h"}, id="no counts"),
        pytest.param({"hostname": "a@h", "active": "many", "processed": 1}, id="no number"),
    ],
)
def test_parse_heartbeat_refuses_other_events(body: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        heartbeats.parse_heartbeat(body, now_s=0.0)


def test_keys_stand_behind_the_prefix() -> None:
    layout = Keys(db=2, prefix="shop:")

    assert [
        layout.unacked,
        layout.event_channels("worker.heartbeat")[0],
        layout.pidbox_channels[0],
        layout.reply_bindings,
    ] == [
        "shop:unacked",
        "shop:/2.celeryev/worker.heartbeat",
        "shop:/2.celery.pidbox",
        "shop:_kombu.binding.reply.celery.pidbox",
    ]


def test_a_binding_is_read_as_it_was_built() -> None:
    member = redis_keys.binding_member(routing_key="key", queue="q")

    assert redis_keys.parse_binding(member) == ("key", "", "q")
