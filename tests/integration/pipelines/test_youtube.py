"""One video after the other of a real site: metadata, captions, frames, speech."""

import io
from pathlib import Path

import pytest
from PIL import Image

from app.errors import (
    Cancelled,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PermanentError,
    UnsupportedFormat,
)
from app.pipelines.youtube import footage, metadata, video_contents
from app.pipelines.youtube.schema import (
    Origin,
    Segment,
    Transcript,
    VideoFrame,
    YoutubeParams,
    YoutubeResult,
)
from app.testing import RecordedWork
from tests import speaker
from tests.integration.pipelines.conftest import OpenWork
from tests.sites import pages
from tests.sites.server import Site


@pytest.fixture
def work(open_work: OpenWork) -> RecordedWork:
    return open_work(CELERIAC_SPEECH_ENGINE="off")


def video(url: str, **options: object) -> YoutubeParams:
    return YoutubeParams.model_validate({"url": url, **options})


def test_a_page_becomes_metadata_and_timed_text(work: RecordedWork, site: Site) -> None:
    url = f"{site.url}/video"
    found = video_contents.extract_contents(video(url), work)
    assert found == YoutubeResult(
        video_id=metadata.video_id("generic", "video-1", url=url),
        site="generic",
        url=url,
        title=pages.VIDEO_TITLE,
        uploader=None,
        duration_s=None,
        upload_date=None,
        description="A tone, rising.",
        tags=(),
        chapters=(),
        thumbnail_url=f"{site.url}/media/poster.png",
        transcript=Transcript(
            origin=Origin.MANUAL_CAPTIONS,
            language="en",
            text="A tone.\nIt rises.",
            segments=(
                Segment(start_s=0, end_s=4, text="A tone."),
                Segment(start_s=4, end_s=12, text="It rises."),
            ),
        ),
        frames=(),
    )
    assert site.requests("/media/clip.mp4") == []
    assert work.percents == sorted(work.percents)


def colour_of(picture: bytes) -> tuple[int, ...]:
    """Its colour, where it has but one, to the nearest of what 64 steps can tell."""
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.format, image.size) == ("JPEG", (320, 180))
        [(_, colour)] = image.convert("RGB").resize((1, 1)).getcolors() or []
    assert isinstance(colour, tuple)
    return tuple(round(part / 64) for part in colour)


RED, BLUE, WHITE = (4, 0, 0), (0, 0, 4), (4, 4, 4)


def test_frames_show_the_scenes_at_their_times(work: RecordedWork, site: Site) -> None:
    url = f"{site.url}/video-of?source=/media/scenes.mp4&captions=/captions/de.vtt"
    found = video_contents.extract_contents(video(url, extract_frames=True), work)
    names = [f"frame-000{number}.jpg" for number in (1, 2, 3)]
    assert [(frame.time_s, frame.artifact) for frame in found.frames] == [
        (0.0, names[0]),
        (2.0, names[1]),
        (5.0, names[2]),
    ]
    assert [colour_of(work.artifact(name)) for name in names] == [RED, BLUE, WHITE]
    assert work.percents == sorted(work.percents)
    assert list(work.directory.glob("source*")) == []


def test_sound_and_picture_that_a_site_keeps_apart_are_both_fetched(
    work: RecordedWork, site: Site
) -> None:
    with footage.fetch_footage(f"{site.url}/hls/split.m3u8", work, footage.BOTH) as files:
        assert files.picture != files.sound
        assert files.picture.stat().st_size > 0 < files.sound.stat().st_size
    assert list(work.directory.iterdir()) == []


def test_a_file_without_a_picture_has_no_frames(open_work: OpenWork, site: Site) -> None:
    work = open_work(CELERIAC_SPEECH_ENGINE="off")
    url = f"{site.url}/video-of?source=/media/tone.ogg&captions=/captions/en.vtt"
    with pytest.raises(UnsupportedFormat, match="no picture in the file"):
        video_contents.extract_contents(video(url, extract_frames=True), work)


def test_a_title_that_is_a_path_stays_a_title(
    work: RecordedWork, site: Site, tmp_path: Path
) -> None:
    title = "../../../out"
    page = f"/video-of?source=/media/scenes.mp4&captions=/captions/en.vtt&title={title}"
    found = video_contents.extract_contents(video(site.url + page, extract_frames=True), work)
    assert (found.title, found.frames[0].artifact) == (title, "frame-0001.jpg")
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert not any("out" in name for name in names)


def test_of_many_scenes_the_strongest_are_kept(open_work: OpenWork, site: Site) -> None:
    work = open_work(CELERIAC_FRAME_LIMIT="2")
    url = f"{site.url}/video-of?source=/media/scenes.mp4&captions=/captions/en.vtt"
    found = video_contents.extract_contents(video(url, extract_frames=True), work)
    [beginning, strongest] = found.frames
    assert (beginning.time_s, strongest.time_s) == (0.0, 5.0)
    assert strongest == VideoFrame(time_s=5.0, change=strongest.change, artifact="frame-0002.jpg")


def test_languages_are_taken_in_the_order_asked_for(open_work: OpenWork, site: Site) -> None:
    work = open_work(CELERIAC_CAPTION_LANGUAGES="de,en")
    url = f"{site.url}/video"
    assert (
        video_contents.extract_contents(video(url), work).transcript.text == "Ein Ton.\nEr steigt."
    )
    asked = video_contents.extract_contents(video(url, languages=["fr", "en"]), work)
    assert asked.transcript.text == "A tone.\nIt rises."


def test_speech_is_recognised_where_captions_are_missing(open_work: OpenWork, site: Site) -> None:
    work = open_work(CELERIAC_SPEECH_ENGINE="pocketsphinx")
    url = f"{site.url}/media/{speaker.counting(site.folder).name}"
    found = video_contents.extract_contents(video(url), work).transcript
    assert (found.origin, found.engine, found.language) == (Origin.SPEECH, "pocketsphinx", "en")
    assert {"two", "three", "four", "five"} <= set(found.text.split())
    times = [time for one in found.segments for time in (one.start_s, one.end_s)]
    assert times == sorted(times)
    assert 1 < times[-1] < 5


@pytest.mark.parametrize("engine", ["off", "auto"])
def test_a_video_in_which_nothing_is_said_has_no_captions(
    open_work: OpenWork, site: Site, engine: str
) -> None:
    work = open_work(CELERIAC_SPEECH_ENGINE=engine)
    with pytest.raises(UnsupportedFormat, match="the video has no captions"):
        video_contents.extract_contents(video(f"{site.url}/media/tone.ogg"), work)


@pytest.mark.parametrize(
    ("path", "want"),
    [
        pytest.param("/loop", PermanentError, id="a redirect loop"),
        pytest.param("/drip", LimitExceeded, id="a page that drips"),
        pytest.param("/bomb", LimitExceeded, id="a gzip bomb"),
        pytest.param(
            "/video-of?source=/media/clip.mp4&captions=/endless/long.vtt",
            LimitExceeded,
            id="captions",
        ),
        pytest.param("/hls/live.m3u8", UnsupportedFormat, id="a live stream"),
    ],
)
def test_hostile_pages_end_as_permanent_errors(
    open_work: OpenWork, site: Site, path: str, want: type[PermanentError]
) -> None:
    work = open_work(CELERIAC_SPEECH_ENGINE="off", CELERIAC_PAGE_TIME_S="2")
    with pytest.raises(want):
        video_contents.extract_contents(video(site.url + path), work)
    assert list(work.directory.iterdir()) == []


def test_a_cancel_stops_the_search_for_scenes(open_work: OpenWork, site: Site) -> None:
    work = open_work()
    work.cancel_when = lambda report: report.percent >= 50
    url = f"{site.url}/video-of?source=/media/scenes.mp4&captions=/captions/en.vtt"
    with pytest.raises(Cancelled):
        video_contents.extract_contents(video(url, extract_frames=True), work)


COOKIES = """# Netscape HTTP Cookie File
127.0.0.1\tFALSE\t/\tFALSE\t0\tvisitor\tknown
"""


def test_the_cookies_file_opens_what_members_see(
    open_work: OpenWork, site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(COOKIES)
    url = f"{site.url}/video-of?source=/members/scenes.mp4&captions=/captions/en.vtt"
    with pytest.raises(PermanentError, match="403"):
        video_contents.extract_contents(video(url, extract_frames=True), open_work())
    work = open_work(CELERIAC_COOKIES_FILE=str(file))
    assert len(video_contents.extract_contents(video(url, extract_frames=True), work).frames) == 3
    assert file.read_text() == COOKIES
    work = open_work(CELERIAC_COOKIES_FILE=str(tmp_path / "none.txt"))
    with pytest.raises(InvalidInput, match="the cookies file cannot be read"):
        video_contents.extract_contents(video(url), work)


def test_the_proxy_for_sites_is_the_way_to_them(open_work: OpenWork, site: Site) -> None:
    work = open_work(CELERIAC_SITES_PROXY_URL=site.url, CELERIAC_SPEECH_ENGINE="off")
    with pytest.raises(NotFound):
        video_contents.extract_contents(video("http://127.0.0.1:9/talk"), work)
    [asked] = site.requests("/talk")
    assert asked.path == "http://127.0.0.1:9/talk"
