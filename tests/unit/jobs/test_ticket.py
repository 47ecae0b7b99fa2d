"""What messages say of jobs, and whose word it is."""

import doctest
from dataclasses import replace
from typing import Any

import pytest

from app.errors import NotAuthentic
from app.jobs.model import ticket
from app.jobs.model.signing import MessageSigner
from app.jobs.model.ticket import Ticket
from tests.unit.jobs import build

JOB = build.job(fence=3)
OLD, NEW = "an-old-key-of-this-test-" + "0" * 16, "a-new-key-of-this-test-" + "1" * 16
SIGNER = MessageSigner([OLD])
OWN = ticket.stage_ticket(JOB)


def test_examples_in_docstrings_are_true() -> None:
    assert doctest.testmod(ticket).failed == 0


@pytest.mark.parametrize("signer", [MessageSigner(), SIGNER], ids=["unsigned", "signed"])
def test_a_ticket_comes_back_from_its_headers(signer: MessageSigner) -> None:
    assert ticket.find_ticket(OWN.signed_headers(signer), task=OWN.stage, signer=signer) == OWN


def test_a_finalizers_ticket_says_so() -> None:
    own = ticket.finalizer_ticket(JOB, task="clean")

    assert ticket.find_ticket(own.signed_headers(SIGNER), task="clean", signer=SIGNER) == Ticket(
        job_id=JOB.id, stage="clean", fence=3, is_finalizer=True
    )


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(None, id="no headers"),
        pytest.param({}, id="empty headers"),
        pytest.param({"job_id": "1"}, id="headers of another application"),
        pytest.param(OWN.headers, id="a ticket for another task"),
    ],
)
def test_a_plain_message_has_no_ticket(headers: dict[str, Any] | None) -> None:
    assert ticket.find_ticket(headers, task="other", signer=SIGNER) is None


SIGNED = OWN.signed_headers(SIGNER)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(OWN.headers, id="no signature"),
        pytest.param({**SIGNED, ticket.SIGNATURE_HEADER: ""}, id="an empty signature"),
        pytest.param({**SIGNED, ticket.SIGNATURE_HEADER: 7}, id="a number as signature"),
        pytest.param({**SIGNED, ticket.SIGNATURE_HEADER: "\u00e9"}, id="a signature in French"),
        pytest.param({**SIGNED, ticket.SIGNATURE_HEADER: "," * 999}, id="many signatures"),
        pytest.param({**SIGNED, ticket.JOB_HEADER: f"{JOB.id}0"}, id="another job"),
        pytest.param({**SIGNED, ticket.JOB_HEADER: None}, id="no job"),
        pytest.param({**SIGNED, ticket.FENCE_HEADER: 4}, id="another fence"),
        pytest.param({**SIGNED, ticket.FENCE_HEADER: "3"}, id="a fence that is a text"),
        pytest.param({**SIGNED, ticket.FENCE_HEADER: True}, id="a fence that is a truth"),
        pytest.param({**SIGNED, ticket.FINALIZER_HEADER: True}, id="a finalizer"),
        pytest.param({**SIGNED, ticket.FINALIZER_HEADER: []}, id="a list as finalizer"),
        pytest.param(
            replace(OWN, job_id=JOB.id).signed_headers(MessageSigner([NEW])), id="a foreign key"
        ),
    ],
)
def test_a_forged_ticket_is_refused(headers: dict[str, Any]) -> None:
    with pytest.raises(NotAuthentic):
        ticket.find_ticket(headers, task=OWN.stage, signer=SIGNER)


@pytest.mark.parametrize(
    ("sender", "receiver"),
    [
        pytest.param([OLD], [NEW, OLD], id="the receiver has the new key first"),
        pytest.param([NEW, OLD], [OLD], id="the sender has the new key first"),
        pytest.param([NEW, OLD], [NEW], id="the receiver has dropped the old key first"),
        pytest.param([NEW], [NEW, OLD], id="the sender has dropped the old key first"),
    ],
)
def test_keys_are_replaced_in_any_order_of_processes(
    sender: list[str], receiver: list[str]
) -> None:
    headers = OWN.signed_headers(MessageSigner(sender))

    found = ticket.find_ticket(headers, task=OWN.stage, signer=MessageSigner(receiver))

    assert found == OWN


def test_texts_do_not_run_into_each_other_in_a_signature() -> None:
    signature = SIGNER.sign("purpose", "ab", "c")

    assert SIGNER.is_signed(signature, "purpose", "ab", "c")
    assert not SIGNER.is_signed(signature, "purpose", "a", "bc")
    assert not SIGNER.is_signed(signature, "other", "ab", "c")


@pytest.mark.parametrize("given", ["plain", "", ".", ".1", "a.b", "0199.x", "order.7"])
def test_a_foreign_task_id_is_none_of_ours(given: str) -> None:
    assert not ticket.is_own_task_id(given)


def test_the_task_id_of_a_ticket_is_ours() -> None:
    own = Ticket(job_id=JOB.id, stage="x", fence=3)

    assert own.task_id == f"{JOB.id}.3"
