"""Names from outside as values of labels: any text becomes one that a scrape can hold."""

import hashlib

LONGEST = 200
"""Characters of a value. Names of tasks, queues and hosts are shorter."""
_MARK_LENGTH = 8


def label_value(text: str) -> str:
    r"""A printable text of at most `LONGEST` characters. What had to be changed for that ends in a
    mark of its own, so that different names stay different.

    >>> label_value("größe")
    'größe'
    >>> label_value("half \ud800")
    'half \\ud800~711a43f0'
    """
    shown = text[: LONGEST + 1]
    if not shown.isprintable():
        shown = "".join(map(_printable, shown))
    if shown == text and len(text) <= LONGEST:
        return text
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_MARK_LENGTH]
    return f"{shown[: LONGEST - _MARK_LENGTH - 1]}~{mark}"


def _printable(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]
