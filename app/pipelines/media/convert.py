"""Convert the downloaded file to a tagged MP3 and save it as an artifact."""

import logging
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mutagen import id3, mp3

from app.errors import InvalidInput, ProcessFailed, UnsupportedFormat
from app.jobs.model.job import Artifact
from app.jobs.model.work import Work
from app.pipelines import disk
from app.pipelines.media import ffmpeg
from app.pipelines.media.schema import Converted, Downloaded
from app.worker.sandbox.policy import Sandbox

MAX_TAG_LENGTH = 500

log = logging.getLogger(__name__)

MEASURED_PERCENT, ENCODED_PERCENT, TAGGED_PERCENT = 10.0, 90.0, 95.0

LENGTH_TOLERANCE_S = 1.0

LENGTH_TOLERANCE_RATIO = 0.05
"""By how much an MP3 may be shorter than its source: encoders pad, containers round."""

COVER_TIMEOUT_S = 60.0

_MP3, _COVER, _TAGS = "audio.mp3", "cover.jpg", "tags.txt"


def choose_tags(downloaded: Downloaded, own: Mapping[str, str]) -> dict[str, str]:
    """The tags by name. Parameters and the page win over the file's own tags; the name at the
    source is the last resort for the title."""
    wanted = {
        "title": downloaded.title or own.get("title") or downloaded.name,
        "artist": downloaded.artist or own.get("artist") or own.get("album_artist"),
        "album": downloaded.album or own.get("album"),
        "date": downloaded.date or own.get("date"),
        "comment": downloaded.source_url,
    }
    return {name: clean_tag(value) for name, value in wanted.items() if value and clean_tag(value)}


def clean_tag(text: str) -> str:
    """One line without control characters, cut to the length of a tag.

    >>> clean_tag("  One\\n\\tline\\x00 ")
    'One line'
    """
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(printable.split())[:MAX_TAG_LENGTH]


def mp3_name(title: str) -> str:
    """A file name for a title, safe in paths, URLs and headers.

    >>> mp3_name("Evening Train / Live: Übung #1")
    'Evening-Train-Live-Ubung-1.mp3'
    >>> mp3_name("夜の電車")
    'audio.mp3'
    """
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9]+", "-", ascii_only).strip("-")[:80].strip("-")
    return f"{stem or 'audio'}.mp3"


def write_tags(path: Path, tags: Mapping[str, str], *, cover: bytes | None) -> None:
    """Write the tags and the cover (a JPEG) to an MP3."""
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


def mp3_length_s(path: Path) -> float:
    """Length of an MP3 that we made. Raises InvalidInput when it has no sound."""
    with path.open("rb") as file:
        try:
            return float(mp3.MPEGInfo(file).length)
        except mp3.HeaderNotFoundError as error:
            raise InvalidInput("there is no sound in the file") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Length and tags of the downloaded file."""

    length_s: float
    own_tags: dict[str, str]


def convert(downloaded: Downloaded, work: Work) -> Converted:
    """Make the MP3 from the file in the workspace.

    Raises InvalidInput (damaged, incomplete), UnsupportedFormat (no sound, not media),
    StorageUnavailable, RetryableError, and the errors of `check`.
    """
    with disk.full_disk_retried():
        source = disk.confined(work.directory, downloaded.file)
        if not source.is_file():
            raise InvalidInput("the downloaded file is gone: submit the job again")
        sound = _measured(source, work)
        target = work.directory / _MP3
        _encode(source, target, sound, downloaded, work)
        cover = _cover(downloaded, work)
        chosen = choose_tags(downloaded, sound.own_tags)
        write_tags(target, chosen, cover=cover)
        length_s = _checked_length_s(target, sound)
        work.progress(TAGGED_PERCENT, "storing the file")
        artifact = work.save_artifact(
            target, name=mp3_name(chosen["title"]), media_type="audio/mpeg"
        )
    work.progress(100, "converted")
    return _converted(downloaded, chosen, artifact, length_s=length_s, has_cover=cover is not None)


def _measured(source: Path, work: Work) -> Sound:
    work.progress(0, "measuring the sound")
    length_s = 0.0

    def read(line: str) -> None:
        nonlocal length_s
        length_s = ffmpeg.done_s(line) or length_s
        work.check()

    own_tags = work.directory / _TAGS
    command = ffmpeg.measure(source, tags=own_tags, threads=work.threads)
    output = _run(command, work, read)
    known = ffmpeg.failure(output)
    if isinstance(known, InvalidInput):
        raise known
    if not length_s:
        raise UnsupportedFormat("there is no sound in the file")
    return Sound(
        length_s=length_s,
        own_tags=ffmpeg.tags_of(own_tags.read_text(encoding="utf-8", errors="replace")),
    )


def _encode(source: Path, target: Path, sound: Sound, downloaded: Downloaded, work: Work) -> None:
    percent = MEASURED_PERCENT
    left_s = sound.length_s

    def read(line: str) -> None:
        nonlocal percent, left_s
        done_s = ffmpeg.done_s(line)
        if done_s is not None:
            left_s = max(0.0, sound.length_s - done_s)
            done_ratio = min(1.0, done_s / sound.length_s)
            percent = MEASURED_PERCENT + done_ratio * (ENCODED_PERCENT - MEASURED_PERCENT)
        speed = ffmpeg.speed_ratio(line)
        if speed:
            work.progress(percent, "converting", speed=f"{speed:.1f}x", eta_seconds=left_s / speed)

    work.progress(percent, "converting")
    command = ffmpeg.encode(
        source,
        target,
        bitrate_kbps=downloaded.bitrate,
        threads=work.threads,
    )
    _run(command, work, read)


def _run(command: list[str], work: Work, read: Callable[[str], None]) -> str:
    try:
        return work.run_process(command, on_line=read, sandbox=Sandbox(writable=(work.directory,)))
    except ProcessFailed as error:
        raise ffmpeg.of_process(error) from error


def _cover(downloaded: Downloaded, work: Work) -> bytes | None:
    """The page's picture as a JPEG; None without one that ffmpeg can read."""
    if downloaded.cover is None:
        return None
    work.progress(ENCODED_PERCENT, "preparing the cover")
    picture = work.directory / _COVER
    source = disk.confined(work.directory, downloaded.cover)
    command = ffmpeg.picture(source, picture, threads=work.threads)
    try:
        work.run_process(
            command, timeout_s=COVER_TIMEOUT_S, sandbox=Sandbox(writable=(work.directory,))
        )
    except ProcessFailed as error:
        log.info("no cover", extra={"reason": str(error)})
        return None
    return picture.read_bytes()


def _checked_length_s(target: Path, sound: Sound) -> float:
    length_s = mp3_length_s(target)
    missing_s = sound.length_s - length_s
    if missing_s > max(LENGTH_TOLERANCE_S, sound.length_s * LENGTH_TOLERANCE_RATIO):
        raise InvalidInput(
            f"the file is damaged: {length_s:.0f} of {sound.length_s:.0f} s could be read"
        )
    return length_s


def _converted(
    downloaded: Downloaded,
    chosen: dict[str, str],
    artifact: Artifact,
    *,
    length_s: float,
    has_cover: bool,
) -> Converted:
    return Converted(
        title=chosen["title"],
        artist=chosen.get("artist"),
        duration_seconds=round(length_s, 3),
        size_bytes=artifact.size_bytes,
        bitrate_kbps=downloaded.bitrate,
        artifact=artifact.name,
        sha256=artifact.sha256,
        tags=chosen,
        has_cover=has_cover,
        source_url=downloaded.source_url,
    )
