"""Which encoding a file has."""

import codecs
import encodings
import pkgutil
import unicodedata
from pathlib import Path

import pytest

from app.documents import encoding, scripts
from app.documents.items import CaveatCode

GERMAN = "Die Größe der Übung hängt von der Müllabfuhr ab, und zwar täglich."
POLISH = "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw."
RUSSIAN = "Все люди рождаются свободными и равными в своем достоинстве и правах."  # noqa: RUF001  # Cyrillic is meant
JAPANESE = "日本語のテキスト。これは長い文章です。"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (GERMAN, "utf-8"),
        (GERMAN, "utf-8-sig"),
        (GERMAN, "utf-16"),
        (GERMAN, "utf-32"),
        (GERMAN, "cp1252"),
        (POLISH, "cp1250"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "shift_jis"),
        (GERMAN, "utf-16-le"),
        (POLISH, "iso8859-2"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp866"),
        (RUSSIAN, "iso8859-5"),
        (JAPANESE, "euc-jp"),
        (JAPANESE, "iso2022_jp"),
        ("Größe;Preis €", "cp1252"),
        ("naïve café", "cp1252"),
        ("plain", "ascii"),
    ],
)
def test_text_is_read_as_it_was_written(tmp_path: Path, text: str, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(text.encode(name))
    assert path.read_text(encoding=encoding.of_file(path).name) == text


def test_one_odd_byte_far_in_the_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"plain " * 200_000 + "Größe und Übung".encode("cp1252"))
    assert encoding.of_file(path).name == "cp1252"


def test_a_character_on_the_edge_of_a_block_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (encoding.BLOCK_BYTES - 1) + "ä".encode())
    assert encoding.of_file(path).name == "utf-8"


def test_utf8_with_a_stray_byte_stays_utf8_and_the_damage_is_told() -> None:
    content = "Grüße aus Köln. ".encode() * 20 + b"na\xefve"
    found = encoding.decoded(content)
    assert (found.guess.name, found.text.count("\ufffd")) == ("utf-8", 1)
    [caveat] = found.guess.caveats(unreadable=1)
    assert (caveat.code, caveat.count) == (CaveatCode.BYTES_UNREADABLE, 1)


def test_a_guess_is_told_as_one() -> None:
    guess = encoding.of_bytes("Łódź, Kraków i Gdańsk".encode("cp1250"))
    assert [caveat.code for caveat in guess.caveats(unreadable=0)] == [CaveatCode.ENCODING_GUESSED]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Новости дня: see the list of all stories below", "cp1251"),
        ("Новости дня: see the list of all stories below", "koi8-r"),
        ("ΗΝΑΥΤΕΜΠΟΡΙΚΗ ΑΓΟΡΕΣ and more words in English after it", "iso8859-7"),
        ("The title 散文集 stands here, and then comes English", "big5"),
        ("アメリカでがんばりましょう, he said and left the room", "cp932"),
    ],
)
def test_a_few_words_of_another_script_are_found(text: str, name: str) -> None:
    found = encoding.decoded(text.encode(name))
    assert found.text == text
    assert found.guess.confidence < encoding.TOLD_BELOW


def test_every_encoding_of_another_script_is_known_as_one() -> None:
    """A guess for words that are mostly ASCII is taken from the others."""
    missing = []
    for module in pkgutil.iter_modules(encodings.__path__):
        try:
            name = codecs.lookup(module.name).name
            upper = "".join(bytes([byte]).decode(name, "ignore") for byte in range(0x80, 0x100))
        except (LookupError, ValueError, TypeError, AttributeError):
            continue  # not an encoding of text, or not here
        letters = [letter for letter in upper if letter.isalpha()]
        foreign = [one for one in letters if not unicodedata.name(one, "").startswith("LATIN")]
        is_ascii_based = b"az".decode(name, "ignore") == "az"
        if is_ascii_based and len(foreign) > 20 and name not in scripts.NAMES:
            missing.append(name)
    assert missing == []


def test_a_short_table_in_western_letters_is_not_hebrew() -> None:
    table = "Größe;Preis\nfünf;5 €\n"
    assert encoding.decoded(table.encode("cp1252")).text == table
