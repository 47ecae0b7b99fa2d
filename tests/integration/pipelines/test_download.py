"""Downloads from a real site: what comes, what resumes, what stops, what is refused."""

import contextlib
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from app.errors import (
    AddressRefused,
    Cancelled,
    CeleriacError,
    LimitExceeded,
    NotFound,
    PermanentError,
    RateLimited,
    RetryableError,
    UnsupportedFormat,
)
from app.fetch.failures import UnknownHost
from app.pipelines.media import download
from app.pipelines.media.schema import Downloaded, MediaParams
from app.testing import RecordedWork
from tests.integration.pipelines.conftest import OpenWork
from tests.sites import pages
from tests.sites.server import Site

ONLY_THE_SITE = {
    "CELERIAC_ALLOW_PRIVATE_ADDRESSES": "false",
    "CELERIAC_ALLOWED_NETWORKS": "127.0.0.1/32",
}
"""The site can be reached, as if it were public; 127.0.0.2 and the rest of the machine can not."""


def fetch(site: Site, path: str, work: RecordedWork) -> Downloaded:
    return download.download(MediaParams.model_validate({"url": site.url + path}), work)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        pytest.param("/video", "clip.mp4", id="a page with a video"),
        pytest.param("/media/clip.mp4", "clip.mp4", id="the file itself"),
        pytest.param("/media/tone.ogg", "tone.ogg", id="an audio file"),
        pytest.param("/whole/clip.mp4", "clip.mp4", id="a server that knows no ranges"),
        pytest.param("/unmeasured/clip.mp4", "clip.mp4", id="a server that tells no length"),
        pytest.param("/cut/100000/clip.mp4", "clip.mp4", id="a connection that breaks once"),
        pytest.param("/redirect?to=/media/clip.mp4", "clip.mp4", id="behind a redirect"),
    ],
)
def test_the_file_comes_as_it_is(site: Site, open_work: OpenWork, path: str, name: str) -> None:
    work = open_work()
    found = fetch(site, path, work)
    assert (work.directory / found.file).read_bytes() == (site.folder / name).read_bytes()


def test_a_page_gives_title_and_cover(site: Site, open_work: OpenWork) -> None:
    work = open_work()
    found = fetch(site, "/video", work)
    want = (pages.VIDEO_TITLE, "cover", f"{site.url}/video")
    assert (found.title, found.cover, found.source_url) == want
    assert (work.directory / "cover").read_bytes() == (site.folder / "poster.png").read_bytes()


@pytest.mark.parametrize(
    "cover", ["http://[bad", "http://host:port/a.png", "file:///etc/passwd", "/status/404"]
)
def test_a_cover_that_cannot_be_had_is_left_out(
    site: Site, open_work: OpenWork, cover: str
) -> None:
    query = urlencode({"source": "/media/clip.mp4", "cover": cover})
    found = fetch(site, f"/video-of?{query}", open_work())
    assert found.cover is None


def test_what_is_asked_for_wins_over_the_page(site: Site, open_work: OpenWork) -> None:
    params = MediaParams.model_validate(
        {"url": f"{site.url}/video", "title": "Mine", "artist": "Me", "album": "Us", "bitrate": 64}
    )
    found = download.download(params, open_work())
    assert (found.title, found.artist, found.album, found.bitrate) == ("Mine", "Me", "Us", 64)


def test_an_hls_playlist_comes_segment_by_segment(site: Site, open_work: OpenWork) -> None:
    work = open_work()
    found = fetch(site, "/hls/master.m3u8", work)
    want = b"".join(path.read_bytes() for path in sorted(site.folder.glob("clip*.ts")))
    assert (work.directory / found.file).read_bytes() == want


def test_a_playlist_with_a_key_is_decrypted(site: Site, open_work: OpenWork) -> None:
    work = open_work()
    found = fetch(site, "/hls/locked.m3u8", work)
    content = (work.directory / found.file).read_bytes()
    assert [seen.path for seen in site.requests("/hls/locked.m3u8.key")] != []
    assert content[::188][:50] == b"G" * 50  # every packet of a transport stream begins with it


def test_a_page_knows_its_visitor_again(site: Site, open_work: OpenWork) -> None:
    work = open_work()
    found = fetch(site, "/welcome", work)
    assert (work.directory / found.file).read_bytes() == (site.folder / "clip.mp4").read_bytes()


@pytest.mark.parametrize(
    "path", ["/hls/master.m3u8", "/hls/locked.m3u8", "/hls/live.m3u8", "/hls/protected.m3u8"]
)
def test_no_program_of_the_machine_is_started(
    site: Site,
    open_work: OpenWork,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    for name in ("ffmpeg", "ffprobe", "curl", "wget", "aria2c", "rtmpdump", "mplayer"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started-$(basename $0)\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    work = open_work()
    with contextlib.suppress(UnsupportedFormat):
        fetch(site, path, work)
    assert list(tmp_path.glob("started-*")) == []


def test_several_downloads_run_at_once_in_one_process(site: Site, open_work: OpenWork) -> None:
    works = [replace(open_work(), key=f"work-{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda work: fetch(site, "/video", work), works))
    want = (site.folder / "clip.mp4").read_bytes()
    pairs = zip(works, found, strict=True)
    assert all((work.directory / one.file).read_bytes() == want for work, one in pairs)


@pytest.mark.parametrize("path", ["/video", "/hls/master.m3u8", "/unmeasured/clip.mp4"])
def test_progress_never_goes_back_and_ends_at_the_end(
    site: Site, open_work: OpenWork, path: str
) -> None:
    work = open_work()
    fetch(site, path, work)
    assert all(one <= two for one, two in itertools.pairwise(work.percents))
    assert (work.percents[0], work.percents[-1]) == (0, 100)


def test_progress_tells_speed_and_time_left(site: Site, open_work: OpenWork) -> None:
    work = open_work()
    fetch(site, "/slow/800000/tone.ogg", work)
    speeds = {report.speed for report in work.reports if report.speed is not None}
    assert any(speed.endswith(" KiB/s") for speed in speeds)
    assert any(report.eta_seconds is not None for report in work.reports)
    assert any(5 < percent < 95 for percent in work.percents)


def test_another_attempt_goes_on_where_the_cancelled_one_was(
    site: Site, open_work: OpenWork
) -> None:
    first = open_work()
    first.cancel_when = lambda report: report.percent > 30
    with pytest.raises(Cancelled):
        fetch(site, "/media/clip.mp4", first)
    [part] = first.directory.glob("*.part")
    kept_bytes = part.stat().st_size
    before = len(site.requests("/media/clip.mp4"))

    second = open_work()
    found = fetch(site, "/media/clip.mp4", second)

    starts = [seen.range_start for seen in site.requests("/media/clip.mp4")[before:]]
    assert starts[-1] == kept_bytes > 0
    assert (second.directory / found.file).read_bytes() == (site.folder / "clip.mp4").read_bytes()


def test_another_attempt_keeps_a_file_that_is_complete(site: Site, open_work: OpenWork) -> None:
    first = fetch(site, "/video", open_work())
    before = len(site.requests("/media/clip.mp4"))
    assert fetch(site, "/video", open_work()) == first
    assert len(site.requests("/media/clip.mp4")) == before


@pytest.mark.parametrize("path", ["/silence", "/slow/2000/clip.mp4", "/endless/file"])
def test_cancel_ends_a_download_within_two_seconds(
    site: Site, open_work: OpenWork, path: str
) -> None:
    work = open_work(CELERIAC_FETCH_TIMEOUT_S="60")
    cancelled_at: list[float] = []

    def cancel() -> None:
        cancelled_at.append(time.monotonic())
        work.cancel()

    timer = threading.Timer(0.3, cancel)
    timer.start()
    with pytest.raises(Cancelled):
        fetch(site, path, work)
    timer.join()
    assert time.monotonic() - cancelled_at[0] < 2


@pytest.mark.parametrize(
    ("path", "want", "message"),
    [
        ("/text", UnsupportedFormat, "no audio or video"),
        ("/hls/live.m3u8", UnsupportedFormat, "live"),
        ("/hls/protected.m3u8", UnsupportedFormat, "protected"),
        ("/status/404", NotFound, "answered 404"),
        ("/status/410", NotFound, "answered 410"),
        ("/video-of?source=/status/404", NotFound, "answered 404"),
        ("/status/403", PermanentError, "answered 403"),
        ("/status/500", RetryableError, "answered 500"),
        ("/video-of?source=/status/503", RetryableError, "answered 503"),
        ("/loop", PermanentError, "circle"),
        ("/endless/page", LimitExceeded, "more than"),
        ("/bomb", LimitExceeded, "more than"),
        ("/redirect?to=http://127.0.0.2/", AddressRefused, "loopback"),
        ("/redirect?to=http://[::1]/", AddressRefused, "loopback"),
        ("/redirect?to=http://10.0.0.1/a.mp4", AddressRefused, "private"),
        ("/redirect?to=http://169.254.169.254/latest/meta-data/", AddressRefused, "link-local"),
        ("/redirect?to=http://2130706434/", AddressRefused, "loopback"),
        ("/redirect?to=file:///etc/passwd", AddressRefused, "http"),
        ("/redirect?to=ftp://127.0.0.1/a", AddressRefused, "http"),
        ("/video-of?source=http://127.0.0.2/a.mp4", AddressRefused, "loopback"),
        ("/video-of?source=http://nowhere.invalid/a.mp4", UnknownHost, "no host"),
    ],
)
def test_each_way_to_fail_has_its_error(
    site: Site, open_work: OpenWork, path: str, want: type[CeleriacError], message: str
) -> None:
    with pytest.raises(CeleriacError, match=message) as raised:
        fetch(site, path, open_work(**ONLY_THE_SITE))
    assert type(raised.value) is want


def test_a_server_that_asks_for_a_pause_is_heard(site: Site, open_work: OpenWork) -> None:
    with pytest.raises(RateLimited) as raised:
        fetch(site, "/status/429?retry_after=7", open_work())
    assert raised.value.retry_after_s == 7


def test_a_server_that_says_nothing_is_left_in_time(site: Site, open_work: OpenWork) -> None:
    with pytest.raises(RetryableError, match="no answer in time"):
        fetch(site, "/silence", open_work(CELERIAC_FETCH_TIMEOUT_S="1"))


def test_a_page_that_drips_does_not_hold_its_slot(site: Site, open_work: OpenWork) -> None:
    work = open_work(CELERIAC_FETCH_TIMEOUT_S="1")
    with pytest.raises(RetryableError, match="slower than 1024 bytes a second"):
        fetch(site, "/drip", work)


def test_a_page_has_its_time_whatever_its_speed(site: Site, open_work: OpenWork) -> None:
    work = open_work(CELERIAC_FETCH_MIN_BYTES_PER_S="0", CELERIAC_PAGE_TIME_S="1")
    with pytest.raises(LimitExceeded, match="the page was not read within 1 s"):
        fetch(site, "/drip", work)


def test_a_file_may_take_longer_than_a_page(site: Site, open_work: OpenWork) -> None:
    work = open_work(CELERIAC_PAGE_TIME_S="1")
    assert fetch(site, "/slow/100000/tone.ogg", work).file.endswith(".ogg")


def test_private_addresses_are_refused_unless_allowed(site: Site, open_work: OpenWork) -> None:
    with pytest.raises(AddressRefused):
        fetch(site, "/video", open_work(CELERIAC_ALLOW_PRIVATE_ADDRESSES="false"))
    assert site.seen == []


@pytest.mark.parametrize("path", ["/endless/file", "/media/tone.wav"])
def test_a_file_over_the_limit_is_not_downloaded(
    site: Site, open_work: OpenWork, path: str
) -> None:
    work = open_work(CELERIAC_DOWNLOAD_LIMIT_BYTES="4000000")
    with pytest.raises(LimitExceeded, match="larger than"):
        fetch(site, path, work)
    assert sum(file.stat().st_size for file in work.directory.iterdir()) < 5_000_000


def test_hostile_names_stay_in_the_folder(site: Site, open_work: OpenWork, temp_dir: Path) -> None:
    work = open_work()
    found = fetch(site, "/video-of?source=/media/clip.mp4?name=../../../evil.mp4", work)
    assert (work.directory / found.file).is_file()
    assert [path.name for path in temp_dir.iterdir()] == ["recorded"]


def test_a_site_is_not_asked_for_more_than_its_pace(site: Site, open_work: OpenWork) -> None:
    """However slow the machine is, it never gets more bytes in a time than it may."""
    size_bytes, bytes_per_s = (site.folder / "clip.mp4").stat().st_size, 400_000
    work = open_work(CELERIAC_SITES_BYTES_PER_S=str(bytes_per_s))
    began = time.monotonic()
    fetch(site, "/media/clip.mp4", work)
    taken_s = time.monotonic() - began
    assert size_bytes / taken_s <= bytes_per_s
