"""Which encoding a file has."""

from pathlib import Path

import pytest

from app.documents import encoding

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
        ("Größe;Preis €", "cp1252"),
        ("naïve café", "cp1252"),
        ("plain", "ascii"),
    ],
)
def test_text_is_read_as_it_was_written(tmp_path: Path, text: str, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(text.encode(name))
    assert path.read_text(encoding=encoding.of_file(path)) == text


def test_one_odd_byte_far_in_the_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"plain " * 200_000 + "Größe und Übung".encode("cp1252"))
    assert encoding.of_file(path) == "cp1252"


def test_a_character_on_the_edge_of_a_block_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (encoding.BLOCK_BYTES - 1) + "ä".encode())
    assert encoding.of_file(path) == "utf-8"
