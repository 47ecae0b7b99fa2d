"""Kombu's message envelope: JSON whose body is base64 of JSON (`kombu.transport.virtual`)."""

import base64
import binascii
import json
from typing import Any
from uuid import uuid4

from app.errors import InvalidInput

Json = Any  # a JSON value: the type system has no better word for it


def parse_message(raw: bytes | str) -> tuple[dict[str, Json], Json]:
    """Headers and body of a message.

    Raises:
        InvalidInput: it is no message of kombu's, or its body is not JSON.
    """
    try:
        message = json.loads(raw)
        body = message["body"]
        if message["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body)
        return message.get("headers") or {}, json.loads(body)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as exc:
        raise InvalidInput("not a message of kombu's with a JSON body") from exc


def build_message(
    body: Json, *, exchange: str, routing_key: str = "", headers: dict[str, Json]
) -> str:
    """A message as a kombu producer would put it on the wire."""
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": {
                "delivery_mode": 2,
                "delivery_info": {"exchange": exchange, "routing_key": routing_key},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid4()),
            },
        }
    )
