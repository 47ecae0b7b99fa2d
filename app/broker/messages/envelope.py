"""Kombu's message envelope: JSON around a body of any content type (`kombu.transport.virtual`)."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from app.broker.messages import bodies
from app.errors import InvalidInput

Json = Any  # a JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message whose body is not decoded yet."""

    content_type: str
    headers: Mapping[str, Json]
    body: bytes

    def open(self) -> Json:
        """Decode the body to plain values.

        Raises:
            InvalidInput: it cannot be decoded; the message says why.
        """
        compressed_by = self.headers.get("compression")
        return bodies.read_body(
            self.body,
            content_type=self.content_type,
            compressed_by=str(compressed_by) if compressed_by is not None else None,
        )


def parse_envelope(raw: bytes | str) -> Envelope:
    """Parse a message of kombu, whatever its body holds.

    Raises:
        InvalidInput: it is not a message of kombu.
    """
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput("not a message of kombu's") from exc
    return envelope_of(message)


def envelope_of(message: Json) -> Envelope:
    """Read a message whose JSON is already parsed.

    Raises:
        InvalidInput: it is not a message of kombu.
    """
    try:
        body, headers = message["body"], message.get("headers") or {}
        if (message.get("properties") or {}).get("body_encoding") == "base64":
            data = base64.b64decode(body)
        else:
            data = body.encode()
        return Envelope(
            content_type=str(message.get("content-type") or bodies.JSON),
            headers=dict(headers),
            body=data,
        )
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as exc:
        raise InvalidInput("not a message of kombu's") from exc


def build_message(
    body: Json,
    *,
    exchange: str,
    routing_key: str = "",
    headers: dict[str, Json],
    content_type: str = bodies.JSON,
) -> str:
    """Build a message as a kombu producer writes it."""
    data, encoding = bodies.write_body(body, content_type=content_type)
    return json.dumps(
        {
            "body": base64.b64encode(data).decode(),
            "content-encoding": encoding,
            "content-type": content_type,
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
