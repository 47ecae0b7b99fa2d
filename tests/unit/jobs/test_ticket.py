"""What messages say of jobs."""

from typing import Any

import pytest

from app.jobs.model import ticket
from app.jobs.model.ticket import Ticket
from tests.unit.jobs import build

JOB = build.job(fence=3)


def test_a_ticket_comes_back_from_its_headers() -> None:
    own = ticket.stage_ticket(JOB)

    assert ticket.find_ticket(own.headers, task="probe_first") == own


def test_a_finalizers_ticket_says_so() -> None:
    own = ticket.finalizer_ticket(JOB, task="clean")

    assert ticket.find_ticket(own.headers, task="clean") == Ticket(
        job_id=JOB.id, stage="clean", fence=3, is_finalizer=True
    )


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(None, id="no headers"),
        pytest.param({}, id="empty headers"),
        pytest.param({"job_id": "1"}, id="headers of another application"),
        pytest.param(ticket.stage_ticket(JOB).headers, id="a ticket for another task"),
    ],
)
def test_a_plain_message_has_no_ticket(headers: dict[str, Any] | None) -> None:
    assert ticket.find_ticket(headers, task="other") is None


@pytest.mark.parametrize("own", ["plain", "", ".", ".1", "a.b", "0199.x"])
def test_a_foreign_task_id_is_none_of_ours(own: str) -> None:
    assert ticket.parse_task_id(own) is None


def test_a_task_id_tells_job_and_fence() -> None:
    assert ticket.parse_task_id(ticket.stage_ticket(JOB).task_id) == (JOB.id, 3)
