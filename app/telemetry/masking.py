"""Masks the secrets of URLs, so that they can be shown."""

import re
from typing import Any

MASK = "**"

_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s\"'<>]*@")

_SECRET_PARAMETER = re.compile(
    r"""(?<=[?&;])                     # a parameter of a query
    ((?:[\w.%-]*                       # whose name holds, or is, a word of secrets
      (?:token|secret|passw|passphrase|signature|credential|api[-_]?key|access[-_]?key|authoriz)
      [\w.%-]*|key|pwd|sig|auth|jwt|sid|session|sessionid|policy|key-pair-id)=)
    [^&;\#\s"'<>]+                     # its value
    """,
    re.IGNORECASE | re.VERBOSE,
)


def masked(url: str) -> str:
    """The URL without its password and query. The URL may be malformed: everything before the last
    `@` counts as user and password.

    >>> masked("postgresql://shop:secret@db:5432/jobs"), masked("sqlite:///x.db")
    ('postgresql://shop:**@db:5432/jobs', 'sqlite:///x.db')
    >>> masked("redis://:[a/b]@h/0?password=c"), masked("redis://shop:secret")
    ('redis://:**@h/0', 'redis://shop:**')
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    entry, at, place = rest.rpartition("@")
    user, colon, _ = entry.partition(":")
    shown = place.partition("?")[0].partition("#")[0]
    host, slash, path = shown.partition("/")
    if not at and not _has_port_or_none(host):
        host = f"{host.partition(':')[0]}:{MASK}"
    return f"{scheme}{separator}{user}{f':{MASK}' if colon else ''}{at}{host}{slash}{path}"


def _has_port_or_none(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    return not colon or port.isdecimal() or (name.startswith("[") and port.endswith("]"))


def without_credentials(value: Any) -> Any:  # JSON
    """JSON whose URLs have neither user name nor password, and no values of parameters that are
    secret by their names, such as `token` and `X-Amz-Signature`.

    >>> without_credentials({"url": "https://ada:secret@example.org/a?b=c@d", "n": [1, "a@b"]})
    {'url': 'https://example.org/a?b=c@d', 'n': [1, 'a@b']}
    >>> without_credentials("https://example.org/a?v=1&access_token=abc&sig=d#e")
    'https://example.org/a?v=1&access_token=**&sig=**#e'
    """
    match value:
        case str():
            text = _CREDENTIALS.sub("", value) if "@" in value else value
            return _SECRET_PARAMETER.sub(rf"\1{MASK}", text) if "=" in text else text
        case dict():
            return {name: without_credentials(inner) for name, inner in value.items()}
        case list():
            return [without_credentials(inner) for inner in value]
        case _:
            return value
