"""Words that the end of a line had parted: joined again, unless the hyphen is part of the word."""

import re

MARK = "\ufffe\x02"
"""What pdfium writes for a hyphen at the end of a line: the first, older releases the second."""

_PARTED = re.compile(rf"([^\W_]*)[{MARK}]\r?\n?([^\W_]*)")
_NUMBERS = re.compile(r"(\d)-\r?\n(\d)")
_COMPOUND = re.compile(r"[^\W_]+(?:-[^\W_]+)+")

_KEEPS_BEFORE = frozenset(
    {
        *("self", "well", "non", "ex", "all", "half", "high", "low", "long", "short", "cross"),
        *("full", "part", "one", "two", "three", "four", "five", "six", "ten", "first", "second"),
        *("anti", "multi", "pre", "post", "pro", "semi", "sub", "co", "e", "in", "of", "on"),
        *("to", "the", "by", "up", "off", "out", "down", "and", "or", "vice", "mid", "real"),
    }
)
"""First parts of compounds that are written with a hyphen more often than in one word."""

_KEEPS_AFTER = frozenset(
    {"of", "the", "to", "in", "on", "and", "or", "by", "up", "off", "out", "like"}
)


def joined(text: str) -> str:
    """The text with words in one piece.

    A hyphen stays next to a digit or a single letter, before a capital, in a compound that the text
    writes elsewhere, and beside words that compounds are made of.

    >>> joined("COVID\\x0219 data and exam\\x02ple words of 2019-\\r\\n2020, self\\x02made")
    'COVID-19 data and example words of 2019-2020, self-made'
    >>> joined("state-of-the\\x02art, a well\\ufffe\\r\\nknown e\\x02mail")
    'state-of-the-art, a well-known e-mail'
    """
    if not any(mark in text for mark in (*MARK, "-\n", "-\r")):
        return text
    compounds = {found.casefold() for found in _COMPOUND.findall(text)}
    words = set(re.findall(r"[^\W_]+", text.casefold()))

    def whole(found: re.Match[str]) -> str:
        before, after = found[1], found[2]
        keeps = _keeps_hyphen(before, after, compounds, words)
        return f"{before}-{after}" if keeps else before + after

    return _NUMBERS.sub(r"\1-\2", _PARTED.sub(whole, text))


def _keeps_hyphen(before: str, after: str, compounds: set[str], words: set[str]) -> bool:
    if not before or not after:
        return True
    if before[-1].isdigit() or after[0].isdigit() or 1 in (len(before), len(after)):
        return True
    left, right = before.casefold(), after.casefold()
    if f"{left}-{right}" in compounds or f"{left}{right}" in words:
        return f"{left}-{right}" in compounds
    if after[0].isupper() and not before.isupper():
        return True
    return left in _KEEPS_BEFORE or right in _KEEPS_AFTER
