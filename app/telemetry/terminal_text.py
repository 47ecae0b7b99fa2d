"""Text of others on a terminal: what would move the cursor, change colours or reverse the line is
shown instead of obeyed."""

import re

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and line break
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of text
    "\u2028\u2029]"
)


def shown(text: str) -> str:
    r"""
    >>> shown("a title\x1b[2J"), shown("ünï 日本\n")
    ('a title\\x1b[2J', 'ünï 日本\n')
    """
    return _OBEYED.sub(lambda found: ascii(found.group())[1:-1], text)


def one_line(text: str) -> str:
    r"""The same, without line breaks.

    >>> one_line("a\nERROR b")
    'a\\nERROR b'
    """
    return shown(text).replace("\n", r"\n")
