"""Which content type a message of an application has."""

import re
from collections.abc import Iterable

_CONTENT_TYPE = re.compile(rb'"content-type": *"([^"\\]*)"')
_TAIL_BYTES = 64 * 1024
"""Kombu writes the body of a message first and its content type after that."""


def of_messages(messages: Iterable[bytes | None]) -> frozenset[str]:
    """The content types of messages as the broker has them, waiting or fetched.

    Quotes inside of JSON strings are escaped, so that no argument of a task passes for one.
    """
    found = (_CONTENT_TYPE.search(one[-_TAIL_BYTES:]) for one in messages if one is not None)
    return frozenset(one[1].decode(errors="replace") for one in found if one is not None)
