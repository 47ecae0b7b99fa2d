"""A notification as e-mail: a subject, a part of plain text and one of HTML, from templates.

Templates are texts with `$title`, `$message`, `$type`, `$user_id`, `$id`, `$date` (as Python's
`string.Template`). In HTML every value is escaped; in the subject line breaks become spaces.
"""

import html
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from string import Template

from app.errors import InvalidInput
from app.storage.notifications import Notification

OWN_TEMPLATES = Path(__file__).parent / "templates"

DEFAULT = "default"

SUBJECT_LENGTH = 200


def write(
    notification: Notification, *, to: str, sender: str, templates: Path | None
) -> EmailMessage:
    """The message. It has the same `Message-ID` at every attempt."""
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
    letter["Auto-Submitted"] = "auto-generated"  # no out-of-office note comes back (RFC 3834)
    letter.set_content(_filled(notification.type, "txt", values, templates))
    letter.add_alternative(_filled(notification.type, "html", escaped, templates), subtype="html")
    return letter


def subject(text: str) -> str:
    """A subject line, cut where it is too long.

    >>> subject("Ready\\r\\nBcc: all@example.org")
    'Ready Bcc: all@example.org'
    """
    line = one_line(text)
    return line if len(line) <= SUBJECT_LENGTH else line[: SUBJECT_LENGTH - 1] + "…"


def one_line(text: str) -> str:
    """Without line breaks and other characters that do not print: no header follows from a value.

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
    """The type's own template, else the default; the operator's before ours."""
    folders = [folder for folder in (templates, OWN_TEMPLATES) if folder is not None]
    names = [f"{kind}.{part}", f"{DEFAULT}.{part}"]
    candidates = [folder / name for folder in folders for name in names]
    return next(path for path in candidates if path.is_file())
