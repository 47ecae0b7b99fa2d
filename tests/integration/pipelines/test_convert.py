"""Conversion by real ffmpeg: what comes out, what is refused, what stops."""

import io
import subprocess
import threading
import time
from pathlib import Path

import pytest
from mutagen import id3, mp3
from PIL import Image

from app.errors import Cancelled, CeleriacError, InvalidInput, UnsupportedFormat
from app.pipelines.media import convert, ffmpeg
from app.pipelines.media.schema import Converted, Downloaded
from app.testing import RecordedWork
from tests.integration.pipelines.conftest import OpenWork
from tests.sites import media
from tests.waiting import eventually


@pytest.fixture(scope="module")
def files() -> Path:
    return media.folder()


def downloaded(
    work: RecordedWork, content: bytes, name: str = "source.bin", **values: object
) -> Downloaded:
    """The file at the work, as the stage before leaves it."""
    (work.directory / name).write_bytes(content)
    return Downloaded.model_validate(
        {
            "source_url": "https://media.example/clip",
            "file": name,
            "size_bytes": len(content),
            "name": "clip",
            **values,
        }
    )


@pytest.mark.parametrize("name", ["clip.mp4", "tone.ogg", "tone.wav", "clip000.ts"])
def test_sound_of_any_container_becomes_an_mp3(files: Path, open_work: OpenWork, name: str) -> None:
    work = open_work()
    result = convert.convert(downloaded(work, (files / name).read_bytes(), bitrate=128), work)
    sound = mp3.MPEGInfo(io.BytesIO(work.artifact(result.artifact)))
    assert sound.bitrate == pytest.approx(128_000, rel=0.01)
    assert sound.length == pytest.approx(result.duration_seconds, abs=0.01)


def test_sound_that_begins_late_keeps_its_time(open_work: OpenWork) -> None:
    work = open_work()
    content = (Path(__file__).parents[2] / "cases/delayed.mp4").read_bytes()
    result = convert.convert(downloaded(work, content, bitrate=64), work)
    assert result.duration_seconds == pytest.approx(42.0, abs=0.2)  # 30 s of them silence


def test_what_was_asked_for_is_in_the_tags(files: Path, open_work: OpenWork) -> None:
    work = open_work()
    asked = {"title": "Näher / dran", "artist": "夜", "album": "Live", "date": "2026-05-04"}
    found = downloaded(work, (files / "clip.mp4").read_bytes(), **asked)
    result = convert.convert(found, work)
    tags = id3.ID3(io.BytesIO(work.artifact("Naher-dran.mp3")), translate=False)
    want = {
        "TIT2": "Näher / dran",
        "TPE1": "夜",
        "TALB": "Live",
        "TYER": "2026",
        "COMM::und": "https://media.example/clip",
    }
    assert {name: str(tags[name]) for name in want} == want
    assert result.tags == {**asked, "comment": "https://media.example/clip"}


def test_the_files_own_tags_fill_the_gaps(files: Path, open_work: OpenWork) -> None:
    work = open_work()
    result = convert.convert(downloaded(work, (files / "clip.mp4").read_bytes()), work)
    assert (result.title, result.artist, result.artifact) == (
        media.TITLE,
        media.ARTIST,
        "A-Tone-Rises.mp3",
    )


def test_a_cover_becomes_a_jpeg_in_the_tags(files: Path, open_work: OpenWork) -> None:
    work = open_work()
    (work.directory / "cover").write_bytes((files / "poster.png").read_bytes())
    found = downloaded(work, (files / "clip.mp4").read_bytes(), cover="cover")
    result = convert.convert(found, work)
    picture = id3.ID3(io.BytesIO(work.artifact(result.artifact)))["APIC:"]
    with Image.open(io.BytesIO(picture.data)) as image:
        assert (picture.mime, image.format, image.size) == ("image/jpeg", "JPEG", (320, 180))
    assert result.has_cover


@pytest.mark.parametrize("content", [b"no picture", b"<svg/>", b""], ids=["text", "svg", "empty"])
def test_a_cover_that_is_no_picture_is_left_out(
    files: Path, open_work: OpenWork, content: bytes
) -> None:
    work = open_work()
    (work.directory / "cover").write_bytes(content)
    found = downloaded(work, (files / "tone.ogg").read_bytes(), cover="cover")
    assert not convert.convert(found, work).has_cover


def test_a_cover_of_too_many_pixels_is_left_out(files: Path, open_work: OpenWork) -> None:
    work = open_work()
    Image.new("1", (7_000, 7_000)).save(work.directory / "cover", "PNG")
    found = downloaded(work, (files / "tone.ogg").read_bytes(), cover="cover")
    assert not convert.convert(found, work).has_cover


CAPTIONS = b"WEBVTT\n\n00:00.000 --> 00:04.000\nHi\n"
PLAYLIST_OF_A_LOCAL_FILE = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n"
CONCAT_OF_A_LOCAL_FILE = b"ffconcat version 1.0\nfile /etc/passwd\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("mute.mp4", "no sound", id="a film without sound"),
        pytest.param("poster.png", "neither", id="a picture"),
        pytest.param("clip.m3u8", "neither", id="a playlist"),
    ],
)
def test_what_has_no_sound_is_refused(
    files: Path, open_work: OpenWork, name: str, message: str
) -> None:
    work = open_work()
    found = downloaded(work, (files / name).read_bytes(), name=name)
    with pytest.raises(UnsupportedFormat, match=message):
        convert.convert(found, work)


@pytest.mark.parametrize(
    ("name", "content", "want"),
    [
        pytest.param("a.mp4", b"", InvalidInput, id="nothing"),
        pytest.param("a.mp4", bytes(range(256)) * 400, InvalidInput, id="noise"),
        pytest.param("a.vtt", CAPTIONS, UnsupportedFormat, id="captions"),
        pytest.param("a.m3u8", PLAYLIST_OF_A_LOCAL_FILE, UnsupportedFormat, id="a playlist"),
        pytest.param("a.mp4", PLAYLIST_OF_A_LOCAL_FILE, UnsupportedFormat, id="in disguise"),
        pytest.param("a.mp4", CONCAT_OF_A_LOCAL_FILE, UnsupportedFormat, id="a script of files"),
    ],
)
def test_what_is_no_media_is_refused(
    open_work: OpenWork, name: str, content: bytes, want: type[CeleriacError]
) -> None:
    work = open_work()
    with pytest.raises(CeleriacError) as raised:
        convert.convert(downloaded(work, content, name=name), work)
    assert type(raised.value) is want


def test_a_film_that_breaks_off_is_refused(files: Path, open_work: OpenWork) -> None:
    work = open_work()
    content = (files / "clip.mp4").read_bytes()
    with pytest.raises(InvalidInput, match="incomplete"):
        convert.convert(downloaded(work, content[: len(content) // 2]), work)


@pytest.mark.parametrize("name", ["../other/file", "/etc/passwd", "no\x00name"])
def test_a_name_outside_of_the_folder_is_refused(open_work: OpenWork, name: str) -> None:
    work = open_work()
    found = downloaded(work, b"").model_copy(update={"file": name})
    with pytest.raises(InvalidInput, match=r"outside|not a usable"):
        convert.convert(found, work)


def test_progress_rises_and_tells_speed_and_time_left(files: Path, open_work: OpenWork) -> None:
    work = open_work()
    convert.convert(downloaded(work, (files / "tone.wav").read_bytes()), work)
    assert work.percents == sorted(work.percents)
    assert (work.percents[0], work.percents[-1]) == (0, 100)
    assert any(report.speed is not None and report.speed.endswith("x") for report in work.reports)


def test_cancel_kills_ffmpeg_at_once(tmp_path: Path, open_work: OpenWork) -> None:
    long = tmp_path / "long.wav"
    one_hour = ["-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "3600", "-c:a", "pcm_u8"]
    subprocess.run([ffmpeg.executable(), "-v", "error", *one_hour, str(long)], check=True)
    work = open_work()
    found = downloaded(work, long.read_bytes())
    raised: list[BaseException] = []

    def run() -> None:
        try:
            convert.convert(found, work)
        except Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: any(report.speed for report in work.reports), why="a conversion under way")
    cancelled_at = time.monotonic()
    work.cancel()
    thread.join(timeout=5)
    assert time.monotonic() - cancelled_at < 2
    assert [type(error) for error in raised] == [Cancelled]
    assert running_on(work.directory) == []


def running_on(folder: Path) -> list[str]:
    """Command lines of this machine's processes that name the folder."""
    found = []
    for listing in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = listing.read_bytes().replace(b"\x00", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and "ffmpeg" in line:
            found.append(line)
    return found


def test_doing_it_again_gives_the_same(files: Path, open_work: OpenWork) -> None:
    work = open_work()
    found = downloaded(work, (files / "tone.ogg").read_bytes())
    results: list[Converted] = [convert.convert(found, work) for _ in range(2)]
    assert results[0] == results[1]
