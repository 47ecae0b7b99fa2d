"""Which encoding a text has: one detector for text files, tables, captions and web pages."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import chardet
from chardet import EncodingEra

from app.documents import scripts
from app.documents.items import Caveat, CaveatCode

BLOCK_BYTES = 256 * 1024

SURE = 1.0
"""A byte order mark, or valid UTF-8: what else is valid UTF-8 by chance has next to no letters
outside of ASCII."""

NEARLY_SURE = 0.9
"""UTF-8 but for a few bytes, and encodings that announce themselves by escape sequences."""

TOLD_BELOW = 0.5
"""A guess with less confidence is worth a warning. Short texts that are guessed right stay below it
as well: they are guesses all the same."""

FALLBACK = "cp1252"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""The order matters: the mark of UTF-32 begins like that of UTF-16."""

_ANY_ERA = EncodingEra.ALL & ~EncodingEra.MAINFRAME
_EXOTIC = ("hp-roman8", "cp1006", "ptcp154", "kz1048")
"""Encodings that short texts resemble by chance more often than anybody sends them."""

_CLEAR = 0.15
_VAGUE, _FEW_LETTERS, _LIKELY_SHARE = 0.05, 3, 0.5
_MOSTLY_LATIN, _NOT_LATIN = 1.5, 0.6
_PLAUSIBLE, _MORE_PLAUSIBLE = 0.6, 0.03
"""An unclear guess is checked by what a reader sees (`scripts`): words that are mostly ASCII are
Latin, and words without ASCII are not. The thresholds come from 478 test files of chardet and
uchardet, cut to 300 characters, and 486 texts of message catalogues in 34 encodings, cut to 20 to
300 (`benchmarks/extraction.py`)."""

_CONFUSED = frozenset(
    {"mac-cyrillic", "cp866", "cp855", "cp864", "iso8859-6", "koi8-r", "koi8-u"}
    | {"tis-620", "cp874", "cp862", "cp720"}
)
"""Encodings that the detector takes short texts in others for."""

_GOOD_PER_BAD = 4
"""So many letters in valid UTF-8 for each stray byte make a text UTF-8 with damage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingGuess:
    """An encoding by the name that Python gives it, and how sure that is (0 to 1)."""

    name: str
    confidence: float

    def caveats(self, unreadable: int) -> Iterator[Caveat]:
        """What a reader of the text should know. `unreadable` counts the replacement characters in
        it."""
        if self.confidence < TOLD_BELOW:
            yield Caveat(
                code=CaveatCode.ENCODING_GUESSED,
                message=f"The encoding is a guess: {self.name} (confidence {self.confidence:.2f}).",
            )
        if unreadable:
            yield Caveat(
                code=CaveatCode.BYTES_UNREADABLE,
                message=f"{unreadable} characters are not valid {self.name} and were replaced.",
                count=unreadable,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedText:
    """A text and the encoding it was in."""

    text: str
    guess: EncodingGuess


def decoded(content: bytes) -> DecodedText:
    """The content as text; bytes that are not of its encoding become U+FFFD."""
    guess = of_bytes(content)
    return DecodedText(text=content.decode(guess.name, "replace"), guess=guess)


def of_file(path: Path) -> EncodingGuess:
    """By a byte order mark or escape sequences; what is valid UTF-8 is UTF-8; else the first part
    of the file that is not ASCII decides."""
    with path.open("rb") as file:
        head = file.read(BLOCK_BYTES)
    announced = _announced(head)
    if announced is not None:
        return announced
    if b"\x00" not in head:
        odd_at = _first_odd_byte(path)
        if odd_at is None:
            return EncodingGuess(name="utf-8", confidence=SURE)
        head = _around(path, odd_at)
    return _guessed(head)


def of_bytes(content: bytes) -> EncodingGuess:
    """The same for content in memory."""
    head = content[:BLOCK_BYTES]
    announced = _announced(head)
    if announced is not None:
        return announced
    return _guessed(head) if b"\x00" in head or not _is_utf8(content) else _UTF8


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


_UTF8 = EncodingGuess(name="utf-8", confidence=SURE)


def _announced(head: bytes) -> EncodingGuess | None:
    name = marked(head)
    if name is not None:
        return EncodingGuess(name=name, confidence=SURE)
    if (b"\x1b" in head or b"~{" in head) and max(head) < 0x80:
        found = chardet.detect(head)["encoding"]
        if found is not None and _python_name(found).startswith(("iso2022", "hz")):
            return EncodingGuess(name=_python_name(found), confidence=NEARLY_SURE)
    return None


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _guessed(head: bytes) -> EncodingGuess:
    """What the bytes, which are not UTF-8, look like."""
    if b"\x00" not in head and _is_nearly_utf8(head):
        return EncodingGuess(name="utf-8", confidence=NEARLY_SURE)
    found = _detected(head)[0]
    is_clear = found.confidence >= _CLEAR and found.name != "mac-cyrillic"
    if b"\x00" in head or is_clear:
        return found
    return _checked(head, found)


def _checked(head: bytes, found: EncodingGuess) -> EncodingGuess:
    """An unclear guess, or a more plausible one in its place."""
    latin = scripts.latin_share(head)
    letters = sum(byte > 0x7F for byte in head)
    if letters < _FEW_LETTERS or (letters == _FEW_LETTERS and latin >= _NOT_LATIN):
        usual = _detected(head, EncodingEra.MODERN_WEB)[0]
        likely = usual if usual.confidence >= _LIKELY_SHARE * found.confidence else found
        is_vague = likely.confidence < _VAGUE
        return replace(likely, name=FALLBACK) if is_vague else likely
    if found.name in scripts.NAMES and latin >= _MOSTLY_LATIN:
        return next((each for each in _detected(head) if each.name not in scripts.NAMES), found)
    best = scripts.best(head)
    if best is None or found.name in scripts.NAMES - _CONFUSED:
        return found
    own = scripts.plausibility(head, found.name)
    if found.name in _CONFUSED:
        is_better = best[1] - (own if own is not None else _PLAUSIBLE) > _MORE_PLAUSIBLE
    else:
        is_better = latin < _NOT_LATIN and best[1] > _PLAUSIBLE
    return replace(found, name=best[0]) if is_better else found


def _is_nearly_utf8(head: bytes) -> bool:
    text = head.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    letters = sum(ord(character) > 0x7F for character in text) - bad
    return letters >= _GOOD_PER_BAD * bad


def _detected(head: bytes, era: EncodingEra = _ANY_ERA) -> list[EncodingGuess]:
    """What the detector finds, the likeliest first."""
    found = chardet.detect_all(
        head, ignore_threshold=True, encoding_era=era, exclude_encodings=_EXOTIC
    )
    guesses = [
        EncodingGuess(name=_python_name(each["encoding"]), confidence=round(each["confidence"], 3))
        for each in found
        if each["encoding"] is not None
    ]
    return guesses or [EncodingGuess(name=FALLBACK, confidence=0.0)]


def _python_name(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        return FALLBACK


def _first_odd_byte(path: Path) -> int | None:
    """Where the file stops to be UTF-8; None when it is all of it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK_BYTES)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return max(0, offset + error.start - len(error.object) + len(block))
            if not block:
                return None
            offset += len(block)


def _around(path: Path, offset: int) -> bytes:
    """Whole lines around the place: a cut through a letter of several bytes would look like
    damage."""
    with path.open("rb") as file:
        file.seek(max(0, offset - BLOCK_BYTES // 8))
        block = file.read(BLOCK_BYTES)
    start = block.find(b"\n", 0, BLOCK_BYTES // 16) + 1 if offset > BLOCK_BYTES // 8 else 0
    end = block.rfind(b"\n", BLOCK_BYTES - BLOCK_BYTES // 16)
    return block[start:] if end < 0 else block[start:end]
