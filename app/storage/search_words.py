"""Splits texts and queries into words, the same for every store, so that a query finds the same
chunks in each."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator

MAX_TERM_LENGTH = 64
MAX_QUERY_TERMS = 16

_WORD = re.compile(
    r"(?:[^\W_]|[\u0900-\u0963\u0971-\u0df3\u0e31-\u0e4e\u0eb1-\u0ece\u0f18-\u0fbc\u102b-\u109f\u17b4-\u17d3])+"
)
"""Letters and digits, and the signs of vowels and tones in the scripts of India and South East
Asia."""

_DROPPED_MARKS_BELOW = 0x0700
"""Combining marks of Latin, Greek, Cyrillic, Hebrew and Arabic: accents and points that are often
left out."""

_INVISIBLE = dict.fromkeys([0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF])
"""Soft hyphens and joiners, which do not separate words."""

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
    >>> of_text("हिन्दी की"), of_text("Kinder\xadgarten")
    (['हिन्दी', 'की'], ['kindergarten'])
    """
    return [term[:MAX_TERM_LENGTH] for word in _WORD.findall(_folded(text)) for term in _cut(word)]


def of_query(query: str) -> list[str]:
    """The first distinct words of a query."""
    return list(dict.fromkeys(of_text(query)))[:MAX_QUERY_TERMS]


def _folded(text: str) -> str:
    parted = unicodedata.normalize("NFKD", text.casefold().translate(_INVISIBLE))
    return "".join(letter for letter in parted if not _is_dropped(letter))


def _is_dropped(letter: str) -> bool:
    return ord(letter) < _DROPPED_MARKS_BELOW and bool(unicodedata.combining(letter))


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
    """The number of a chunk in an index that only has numbers: stable, and with a negligible chance
    of collisions."""
    digest = hashlib.sha256(chunk_id.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
