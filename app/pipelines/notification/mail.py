"""Compose e-mail and send it by SMTP, with errors that say whether to retry."""

import html
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from string import Template

from app.errors import CeleriacError, InvalidInput, PermanentError, RetryableError
from app.settings import NotifySettings
from app.storage.notification_store import Notification

OWN_TEMPLATES = Path(__file__).parent / "templates"

DEFAULT = "default"

SUBJECT_LENGTH = 200

PORTS = {"starttls": 587, "tls": 465, "none": 25}


def write_letter(
    notification: Notification, *, to: str, sender: str, templates: Path | None
) -> EmailMessage:
    """The message, with the same `Message-ID` at each attempt."""
    values = {
        "id": notification.id,
        "type": notification.type,
        "user_id": notification.user_id,
        "title": notification.title,
        "message": notification.message,
        "date": format_datetime(notification.created_at),
    }
    escaped = {name: _as_html(value) for name, value in values.items()}
    name, own_address = parseaddr(sender)
    letter = EmailMessage(policy=SMTP)
    try:
        letter["From"] = Address(display_name=one_line(name), addr_spec=own_address)
        letter["To"] = Address(addr_spec=to)
    except (ValueError, MessageError) as error:
        raise InvalidInput(f"an e-mail address cannot be used: {error}") from error
    letter["Subject"] = subject(_filled(notification.type, "subject", values, templates))
    letter["Date"] = notification.created_at
    letter["Message-ID"] = f"<{notification.id}@{own_address.rpartition('@')[2] or 'localhost'}>"
    letter["Auto-Submitted"] = "auto-generated"  # suppresses automatic replies (RFC 3834)
    letter.set_content(_filled(notification.type, "txt", values, templates))
    letter.add_alternative(_filled(notification.type, "html", escaped, templates), subtype="html")
    return letter


def subject(text: str) -> str:
    """A subject line, cut to its maximum length.

    >>> subject("Ready\\r\\nBcc: all@example.org")
    'Ready Bcc: all@example.org'
    """
    line = one_line(text)
    return line if len(line) <= SUBJECT_LENGTH else line[: SUBJECT_LENGTH - 1] + "…"


def one_line(text: str) -> str:
    """Without line breaks and control characters: a value must not add a header.

    >>> one_line("a\\x00b \\n c\\u2028d")
    'a b c d'
    """
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _as_html(text: str) -> str:
    return "<br>\n".join(html.escape(text).splitlines())


def _filled(kind: str, part: str, values: dict[str, str], templates: Path | None) -> str:
    text = _template(kind, part, templates).read_text(encoding="utf-8")
    return Template(text).safe_substitute(values)


def _template(kind: str, part: str, templates: Path | None) -> Path:
    """The template of the type, else the default; the operator's before ours."""
    folders = [folder for folder in (templates, OWN_TEMPLATES) if folder is not None]
    names = [f"{kind}.{part}", f"{DEFAULT}.{part}"]
    candidates = [folder / name for folder in folders for name in names]
    return next(path for path in candidates if path.is_file())


class MailRefused(PermanentError):
    """The mail server refuses this message, for example for an unknown mailbox."""


def send_letter(letter: EmailMessage, settings: NotifySettings) -> None:
    """Send the message. Raises MailRefused, InvalidInput, RetryableError."""
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
        # The server has accepted the message, even if QUIT fails.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()


@contextmanager
def _translated(host: str) -> Iterator[None]:
    try:
        yield
    except (smtplib.SMTPException, OSError) as error:
        raise error_of(error, host=host) from error


def error_of(error: smtplib.SMTPException | OSError, *, host: str) -> CeleriacError:
    """Our error for one of the library's. A refused login or an untrusted certificate is retried:
    the operator can fix it, and the message is fine."""
    where = f"the mail server {host}"
    match error:
        case smtplib.SMTPAuthenticationError():
            return RetryableError(f"{where} refuses the login: {_text_of(error.smtp_error)}")
        case smtplib.SMTPRecipientsRefused():
            code, refusal = next(iter(error.recipients.values()))
            return _of_code(code, f"{where} refuses the mailbox: {code} {_text_of(refusal)}")
        case smtplib.SMTPSenderRefused() | smtplib.SMTPDataError():
            answer = f"{error.smtp_code} {_text_of(error.smtp_error)}"
            return _of_code(error.smtp_code, f"{where} refuses the message: {answer}")
        case smtplib.SMTPNotSupportedError():
            return _of_missing_feature(where, str(error))
        case _:
            return RetryableError(f"{where}: {str(error) or type(error).__name__}")


def _of_code(code: int, message: str) -> CeleriacError:
    """5yz is permanent, 4yz temporary (RFC 5321 section 4.2.1)."""
    return MailRefused(message) if 500 <= code < 600 else RetryableError(message)


def _of_missing_feature(where: str, reason: str) -> CeleriacError:
    if "UTF8" in reason:
        return InvalidInput(f"{where} takes no address outside of ASCII")
    return RetryableError(f"{where} lacks what SMTP_SECURITY or SMTP_USERNAME needs: {reason}")


def _text_of(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())[:300]
