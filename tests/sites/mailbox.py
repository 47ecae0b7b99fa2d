"""A mail server that keeps what it takes."""

import asyncio
import email
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session

from tests.ports import free_port

HELD_S = 600.0

USER, PASSWORD = "celeriac", "test value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message, as the server was told to deliver it."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    was_encrypted: bool
    was_logged_in: bool

    @property
    def text(self) -> str:
        return _part(self.message, "plain")

    @property
    def html(self) -> str:
        return _part(self.message, "html")


@dataclass(kw_only=True)
class Mailbox:
    """A running mail server; `refusals` are its answers to a recipient or to the data, one each."""

    port: int
    letters: list[Letter] = field(default_factory=list)
    recipient_refusals: list[str] = field(default_factory=list)
    data_refusals: list[str] = field(default_factory=list)
    is_holding: bool = False
    """Whether it answers nothing to the data that it gets."""
    held: int = 0
    """How many messages it has left without an answer."""

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Any: aiosmtpd's server."""
        if self.recipient_refusals:
            return self.recipient_refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """Any: aiosmtpd's server."""
        if self.is_holding:
            self.held += 1
            await asyncio.sleep(HELD_S)
            return "451 not now"
        if self.data_refusals:
            return self.data_refusals.pop(0)
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        message = email.message_from_bytes(raw, policy=default)
        assert isinstance(message, EmailMessage)
        self.letters.append(
            Letter(
                sender=envelope.mail_from or "",
                recipients=tuple(str(one) for one in envelope.rcpt_tos),
                message=message,
                was_encrypted=session.ssl is not None,
                was_logged_in=bool(session.authenticated),
            )
        )
        return "250 taken"


@contextmanager
def serve(*, tls: ssl.SSLContext | None = None, needs_login: bool = False) -> Iterator[Mailbox]:
    """Take mail on a free port of 127.0.0.1 until the block ends; with `tls`, by STARTTLS."""
    mailbox = Mailbox(port=free_port())
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=mailbox.port,
        tls_context=tls,
        require_starttls=tls is not None,
        auth_required=needs_login,
        authenticator=_authenticate if needs_login else None,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


def _authenticate(
    server: Any, session: Session, envelope: Envelope, mechanism: str, given: Any
) -> AuthResult:
    """Any: aiosmtpd's server, and its credentials."""
    is_known = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_known, handled=is_known)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")
