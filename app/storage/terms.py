"""The words of a text as search compares them: one way for every store, so that a query finds the
same chunks in each."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator

MAX_TERM_LENGTH = 64
MAX_QUERY_TERMS = 16

_WORD = re.compile(r"[^\W_]+")

_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
"""Thai, Lao, Burmese, Khmer, kana, Han: their words have no space between them."""


def of_text(text: str) -> list[str]:
    """The words in their order: without case and accents; where a script has no spaces, each two
    neighbouring letters.

    >>> of_text("Größe: 3,5 Café_crème")
    ['grosse', '3', '5', 'cafe', 'creme']
    >>> of_text("東京都 x")
    ['東京', '京都', 'x']
    """
    return [term[:MAX_TERM_LENGTH] for word in _WORD.findall(_folded(text)) for term in _cut(word)]


def of_query(query: str) -> list[str]:
    """The words that are asked for, each once, the first few of them."""
    return list(dict.fromkeys(of_text(query)))[:MAX_QUERY_TERMS]


def _folded(text: str) -> str:
    parted = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


def _cut(word: str) -> Iterator[str]:
    end = 0
    for found in _WITHOUT_SPACES.finditer(word):
        if found.start() > end:
            yield word[end : found.start()]
        yield from _pairs(found[0])
        end = found.end()
    if end < len(word):
        yield word[end:]


def _pairs(letters: str) -> list[str]:
    return [letters[at : at + 2] for at in range(max(1, len(letters) - 1))]


def number_of(chunk_id: str) -> int:
    """The number of a chunk in an index that knows numbers only: always the same, and so far apart
    that two of them meet once in milliards of milliards."""
    digest = hashlib.sha256(chunk_id.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
