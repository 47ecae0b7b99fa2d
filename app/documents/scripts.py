"""How plausible bytes are in an encoding of a script other than Latin.

A detector that knows languages needs more letters than a heading has. This looks at what a reader
sees at once: letters of one script, the frequent ones more often, capitals at the start of words.
"""

import unicodedata
from collections.abc import Iterator

_BY_FREQUENCY = (
    "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїєґўјљњћџђѓќѕ",
    "αοιετσνηυρπκμλςωγδχθφβξζψάέίόήύώϊϋΐΰ",
    "יוהלארתבמשנעחדקפגצזסכטםןךףץ",
    "اليمنوترهبدعسفكقحجشطصخضذثغزظءأإآؤئةى،؟",
    "านรอกเงมยลวดทสตะปบคหแจพชขใไโิี่้ัุูึื็์ํฟศผถซณธญฐฎฏฑฒฆฌฮษฬๆฯำ",
)
"""Letters of Cyrillic, Greek, Hebrew, Arabic and Thai, frequent ones first."""

_RARITY = {
    letter: at / len(letters) for letters in _BY_FREQUENCY for at, letter in enumerate(letters)
}

_SINGLE = (
    *("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic", "cp855", "koi8-u"),
    *("cp1253", "iso8859-7", "cp1255", "iso8859-8", "cp1256", "iso8859-6", "cp874"),
)

_FREQUENT_LEADS: dict[str, tuple[range, ...]] = {
    "gb18030": (range(0xB0, 0xD8), range(0xA1, 0xA4)),
    "big5": (range(0xA4, 0xC7), range(0xA1, 0xA4)),
    "cp932": (range(0x82, 0x84), range(0x88, 0x98)),
    "euc_jp": (range(0xA4, 0xA6), range(0xB0, 0xD0)),
    "cp949": (range(0xB0, 0xC9),),
}
"""First bytes of the half of each character set that holds the frequent characters."""

NAMES = frozenset(
    {*_SINGLE, *_FREQUENT_LEADS, "gb2312", "gbk", "shift_jis", "euc_kr", "tis-620", "johab"}
    | {"cp864", "cp720", "cp862", "cp737", "cp869", "big5hkscs", "cp950", "mac-greek", "kz1048"}
    | {"cp856", "cp1006", "koi8-t", "cp1125", "iso8859-11", "ptcp154", "mac-arabic", "mac-farsi"}
    | {"shift_jis_2004", "shift_jisx0213", "euc_jis_2004", "euc_jisx0213", "big5-hkscs"}
)
"""Encodings of scripts other than Latin, by Python's names."""

_NEUTRAL = frozenset(
    "\xab\xbb\xa7\xa9\xb0\xb7\xa0\u2013\u2014\u2018\u2019\u201c\u201d\u201e\u2022\u2026\u2116"
)
"""Signs that stand in texts of every script."""


def best(content: bytes) -> tuple[str, float] | None:
    """The most plausible encoding, and how plausible it is: about 1 for words of its script."""
    found = {name: score for name in _SINGLE if (score := plausibility(content, name)) is not None}
    found |= {
        name: score
        for name in _FREQUENT_LEADS
        if (score := plausibility(content, name)) is not None
    }
    return max(found.items(), key=lambda each: each[1], default=None)


def plausibility(content: bytes, name: str) -> float | None:
    """How plausible the bytes beyond ASCII are in this encoding; None where they are not valid, or
    the encoding is not known here."""
    if name not in _SINGLE and name not in _FREQUENT_LEADS:
        return None
    try:
        text = content.decode(name)
    except UnicodeDecodeError:
        return None
    marks = list(_wide(text, name) if name in _FREQUENT_LEADS else _narrow(text))
    size = sum(1 for byte in content if byte > 0x7F) if name in _SINGLE else _width(text, name)
    return sum(marks) / size if size else None


def latin_share(content: bytes) -> float:
    """How many ASCII letters stand in words beside each byte beyond ASCII. Words of Latin scripts
    are mostly ASCII, those of others have none."""
    words = bytes(byte if byte > 0x7F or chr(byte).isalpha() else 0x20 for byte in content).split()
    mixed = [word for word in words if not word.isascii()]
    odd = sum(byte > 0x7F for word in mixed for byte in word)
    return (sum(map(len, mixed)) - odd) / max(1, odd)


def _narrow(text: str) -> Iterator[float]:
    before = ""
    for letter in text:
        if not letter.isascii():
            yield _mark(letter, before)
        before = letter


def _mark(letter: str, before: str) -> float:
    rarity = _RARITY.get(letter.lower())
    if rarity is None:
        if letter.isalpha():
            return -0.5
        return 0.0 if letter in _NEUTRAL else -1.5
    mark = 1.5 - 1.5 * rarity
    if letter.isupper() and before.islower():
        mark -= 1.5
    return mark - 1.0 if before.isascii() and before.isalpha() else mark


def _wide(text: str, name: str) -> Iterator[float]:
    for letter in text:
        if letter.isascii():
            continue
        code, category = letter.encode(name), unicodedata.category(letter)
        if category == "Co" or len(code) > 2:
            yield -4.0
        elif len(code) == 1:  # half-width kana
            yield -0.8
        elif any(code[0] in leads for leads in _FREQUENT_LEADS[name]):
            yield 2.0 if category.startswith("L") else 1.0
        else:
            yield 0.2 if category.startswith("L") else -1.0


def _width(text: str, name: str) -> int:
    return sum(len(letter.encode(name)) for letter in text if not letter.isascii())
