"""Which tags an MP3 gets, and writing them (ID3v2.3, which every player reads)."""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from mutagen import id3, mp3

from app.errors import InvalidInput
from app.pipelines.media.schema import Downloaded

MAX_TAG_LENGTH = 500


def chosen(downloaded: Downloaded, own: Mapping[str, str]) -> dict[str, str]:
    """The tags by name. What was asked for or stands on the page wins over the file's own tags;
    the name at the source is for want of any other title."""
    wanted = {
        "title": downloaded.title or own.get("title") or downloaded.name,
        "artist": downloaded.artist or own.get("artist") or own.get("album_artist"),
        "album": downloaded.album or own.get("album"),
        "date": downloaded.date or own.get("date"),
        "comment": downloaded.source_url,
    }
    return {name: clean(value) for name, value in wanted.items() if value and clean(value)}


def clean(text: str) -> str:
    """One line without control characters, no longer than a tag should be.

    >>> clean("  One\\n\\tline\\x00 ")
    'One line'
    """
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(printable.split())[:MAX_TAG_LENGTH]


def file_name(title: str) -> str:
    """A file name for a title, safe in paths, URLs and headers.

    >>> file_name("Evening Train / Live: Übung #1")
    'Evening-Train-Live-Ubung-1.mp3'
    >>> file_name("夜の電車")
    'audio.mp3'
    """
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9]+", "-", ascii_only).strip("-")[:80].strip("-")
    return f"{stem or 'audio'}.mp3"


def write(path: Path, tags: Mapping[str, str], *, cover: bytes | None) -> None:
    """Write the tags, and the cover (a JPEG), into an MP3."""
    frames = id3.ID3()
    for name, frame in (("title", id3.TIT2), ("artist", id3.TPE1), ("album", id3.TALB)):
        if name in tags:
            frames.add(frame(encoding=id3.Encoding.UTF16, text=tags[name]))
    if "date" in tags:
        frames.add(id3.TDRC(encoding=id3.Encoding.UTF16, text=tags["date"]))
    if "comment" in tags:
        frames.add(id3.COMM(encoding=id3.Encoding.UTF16, lang="und", desc="", text=tags["comment"]))
    if cover is not None:
        frames.add(
            id3.APIC(
                encoding=id3.Encoding.LATIN1,
                mime="image/jpeg",
                type=id3.PictureType.COVER_FRONT,
                desc="",
                data=cover,
            )
        )
    frames.update_to_v23()
    frames.save(path, v2_version=3)


def length_s(path: Path) -> float:
    """Seconds of sound in an MP3 that we made. InvalidInput when it holds none."""
    with path.open("rb") as file:
        try:
            return float(mp3.MPEGInfo(file).length)
        except mp3.HeaderNotFoundError as error:
            raise InvalidInput("there is no sound in the file") from error
