"""What a message must be before Celery sees it."""

import json

import pytest

from app.errors import InvalidInput
from app.jobs.celery import received_message
from tests.integration.jobs.malformed import ACCEPTED, MALFORMED, MARK, TASK

UNPARSED = ("nothing", "not JSON", "not UTF-8", "cut off", "a huge number", "deep nesting")
"""Refused before, as they are not JSON."""
KOMBU = ("an object of kombu's that is none", "a date of kombu's that is none")
"""Refused before, as kombu parses what is an object to us."""
SHAPED = {
    name: raw
    for name, raw in MALFORMED.items()
    if name not in (*UNPARSED, *KOMBU, "an unknown task")
}


@pytest.mark.parametrize("raw", SHAPED.values(), ids=SHAPED.keys())
def test_a_malformed_message_is_refused_without_its_content(raw: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        received_message.parse(json.loads(raw), accept={"application/json"})

    assert MARK not in str(refused.value)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_clients_send_is_accepted(name: str) -> None:
    found = received_message.parse(json.loads(ACCEPTED[name]()), accept={"application/json"})

    assert found.task == TASK
