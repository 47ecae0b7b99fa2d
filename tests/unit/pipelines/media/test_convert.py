"""Which tags an MP3 gets, and what its file is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pipelines.media import convert
from app.pipelines.media.schema import Downloaded

URL = "https://media.example/clip"


def downloaded(**values: str | None) -> Downloaded:
    fields = {"source_url": URL, "file": "f", "size_bytes": 1, "name": "clip", **values}
    return Downloaded.model_validate(fields)


@pytest.mark.parametrize(
    ("found", "own", "want"),
    [
        pytest.param(
            downloaded(title="Page", artist="Band"),
            {"title": "File", "artist": "Other", "album": "Live"},
            {"title": "Page", "artist": "Band", "album": "Live", "comment": URL},
            id="the page wins, the file fills the gaps",
        ),
        pytest.param(
            downloaded(), {"title": "File"}, {"title": "File", "comment": URL}, id="the file"
        ),
        pytest.param(downloaded(), {}, {"title": "clip", "comment": URL}, id="the name is left"),
        pytest.param(
            downloaded(date="2026-05-04"),
            {"album_artist": "All", "date": "1999"},
            {"title": "clip", "artist": "All", "date": "2026-05-04", "comment": URL},
            id="the album's artist for want of another",
        ),
        pytest.param(
            downloaded(title="A\nB\x00", artist="\t "),
            {},
            {"title": "A B", "comment": URL},
            id="no control characters, no empty tags",
        ),
    ],
)
def test_tags_are_chosen(found: Downloaded, own: dict[str, str], want: dict[str, str]) -> None:
    assert convert.choose_tags(found, own) == want


@pytest.mark.parametrize(
    ("title", "want"),
    [
        ("Evening Train", "Evening-Train.mp3"),
        ("../../etc/passwd", "etc-passwd.mp3"),
        ("Ärger & Co.", "Arger-Co.mp3"),
        ("", "audio.mp3"),
        ("...", "audio.mp3"),
        ("x" * 500, "x" * 80 + ".mp3"),
    ],
)
def test_a_title_becomes_a_file_name(title: str, want: str) -> None:
    assert convert.mp3_name(title) == want


@given(st.text())
def test_any_title_becomes_a_plain_name(title: str) -> None:
    name = convert.mp3_name(title)
    assert name.endswith(".mp3")
    assert name.isascii()
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name) <= 84
