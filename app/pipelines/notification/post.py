"""Hand e-mail to a mail server (SMTP), and tell what can heal from what cannot."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage

from app.errors import CeleriacError, InvalidInput, PermanentError, RetryableError
from app.settings import NotifySettings

PORTS = {"starttls": 587, "tls": 465, "none": 25}


class MailRefused(PermanentError):
    """The mail server will not take this message: no such mailbox, say."""


def send(letter: EmailMessage, settings: NotifySettings) -> None:
    """Hand the message over. Raises MailRefused, InvalidInput, RetryableError."""
    with _translated(settings.smtp_host or ""), _connected(settings) as server:
        server.send_message(letter)


@contextmanager
def _connected(settings: NotifySettings) -> Iterator[smtplib.SMTP]:
    host = settings.smtp_host or ""
    port = settings.smtp_port or PORTS[settings.smtp_security]
    timeout_s = settings.smtp_timeout_s
    ca_file = str(settings.smtp_ca_file) if settings.smtp_ca_file is not None else None
    server: smtplib.SMTP
    if settings.smtp_security == "tls":
        trust = ssl.create_default_context(cafile=ca_file)
        server = smtplib.SMTP_SSL(host, port, timeout=timeout_s, context=trust)
    else:
        server = smtplib.SMTP(host, port, timeout=timeout_s)
    try:
        if settings.smtp_security == "starttls":
            server.starttls(context=ssl.create_default_context(cafile=ca_file))
        if settings.smtp_username is not None:
            server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
        yield server
    finally:
        # What the server accepted is sent, however it says goodbye.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()


@contextmanager
def _translated(host: str) -> Iterator[None]:
    try:
        yield
    except (smtplib.SMTPException, OSError) as error:
        raise of_error(error, host=host) from error


def of_error(error: smtplib.SMTPException | OSError, *, host: str) -> CeleriacError:
    """Our error for one of the library's. A login that is refused, or a certificate that nobody
    vouches for, is for the operator to mend: the message is not at fault, and is tried again."""
    where = f"the mail server {host}"
    match error:
        case smtplib.SMTPAuthenticationError():
            return RetryableError(f"{where} refuses the login: {_said(error.smtp_error)}")
        case smtplib.SMTPRecipientsRefused():
            code, said = next(iter(error.recipients.values()))
            return _of_code(code, f"{where} refuses the mailbox: {code} {_said(said)}")
        case smtplib.SMTPSenderRefused() | smtplib.SMTPDataError():
            answer = f"{error.smtp_code} {_said(error.smtp_error)}"
            return _of_code(error.smtp_code, f"{where} refuses the message: {answer}")
        case smtplib.SMTPNotSupportedError():
            return _of_missing_feature(where, str(error))
        case _:
            return RetryableError(f"{where}: {str(error) or type(error).__name__}")


def _of_code(code: int, message: str) -> CeleriacError:
    """5yz will be refused again, 4yz may pass later (RFC 5321 section 4.2.1)."""
    return MailRefused(message) if 500 <= code < 600 else RetryableError(message)


def _of_missing_feature(where: str, reason: str) -> CeleriacError:
    if "UTF8" in reason:
        return InvalidInput(f"{where} takes no address outside of ASCII")
    return RetryableError(f"{where} lacks what SMTP_SECURITY or SMTP_USERNAME needs: {reason}")


def _said(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())[:300]
