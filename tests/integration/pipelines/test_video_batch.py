"""Videos of a real page with captions, and pages that have none."""

import httpx2
import pytest

from app.errors import AddressRefused, Cancelled, NotFound, RetryableError, UnsupportedFormat
from app.pipelines.video_batch import caption_chunks
from app.pipelines.video_batch.schema import (
    BatchVideoStatus,
    Video,
    VideoBatchParams,
    VideoBatchResult,
)
from app.pipelines.youtube import metadata
from app.pipelines.youtube.schema import Origin
from app.storage.sources import SourceStatus
from app.testing import RecordedWork
from tests import speaker
from tests.integration import serving
from tests.integration.pipelines.conftest import OpenWork
from tests.integration.processes import StartWorker
from tests.sites import pages
from tests.sites.server import Site


def batch(*urls: str, bot: str = "bot 1") -> VideoBatchParams:
    return VideoBatchParams.model_validate({"bot_id": bot, "video_urls": urls})


@pytest.fixture
def work(open_work: OpenWork) -> RecordedWork:
    return open_work(CELERIAC_SPEECH_ENGINE="off")


def test_what_is_said_becomes_chunks(work: RecordedWork, site: Site) -> None:
    url = f"{site.url}/video"
    found = caption_chunks.store_captions(batch(url), work)
    source_id = caption_chunks.source_id("bot 1", url)
    video = Video(
        url=url,
        status=BatchVideoStatus.READY,
        source_id=source_id,
        video_id=metadata.video_id("generic", "1", url=url),
        title=pages.VIDEO_TITLE,
        language="en",
        origin=Origin.MANUAL_CAPTIONS,
        is_automatic=False,
        chunks=1,
        characters=len("A tone.\nIt rises."),
    )
    assert found == VideoBatchResult(bot_id="bot 1", ready=1, failed=0, videos=(video,))
    [chunk] = work.stores.chunks.of_source(source_id)
    assert (chunk.text, chunk.chatbot_id) == ("A tone.\nIt rises.", "bot 1")
    origin = {"url": url, "title": pages.VIDEO_TITLE, "language": "en"}
    assert chunk.metadata == {**origin, "start_s": 0.0, "end_s": 12.0}
    source = work.stores.sources.get(source_id)
    assert (source.status, source.filename) == (SourceStatus.READY, pages.VIDEO_TITLE)
    assert work.percents == sorted(work.percents)


def test_what_is_heard_becomes_chunks_where_captions_are_missing(
    open_work: OpenWork, site: Site
) -> None:
    work = open_work(CELERIAC_SPEECH_ENGINE="auto")
    url = f"{site.url}/media/{speaker.counting(site.folder).name}"
    [video] = caption_chunks.store_captions(batch(url), work).videos
    assert (video.origin, video.is_automatic, video.language) == (Origin.SPEECH, True, "en")
    [chunk] = work.stores.chunks.of_source(caption_chunks.source_id("bot 1", url))
    assert "three four five" in chunk.text
    assert 1 < chunk.metadata["end_s"] < 5
    assert list(work.directory.glob("source*")) == []


def test_processing_again_replaces(work: RecordedWork, site: Site) -> None:
    params = batch(f"{site.url}/video")
    assert caption_chunks.store_captions(params, work) == caption_chunks.store_captions(
        params, work
    )
    assert work.stores.chunks.count(chatbot_id="bot 1") == 1


def test_a_video_that_fails_fails_alone(work: RecordedWork, site: Site) -> None:
    urls = [f"{site.url}/status/404", f"{site.url}/video", f"{site.url}/media/clip.mp4"]
    found = caption_chunks.store_captions(batch(*urls), work)
    assert (found.ready, found.failed) == (1, 2)
    assert [video.url for video in found.videos] == urls
    errors = [video.error.type if video.error else None for video in found.videos]
    assert errors == ["NotFound", None, "UnsupportedFormat"]


@pytest.mark.parametrize(
    ("paths", "want"),
    [
        pytest.param(["/status/404"], NotFound, id="no such page"),
        pytest.param(["/text"], UnsupportedFormat, id="a page without a video"),
        pytest.param(["/media/clip.mp4"], UnsupportedFormat, id="a video without captions"),
        pytest.param(["/status/404", "/status/503"], RetryableError, id="one that may heal"),
    ],
)
def test_a_batch_without_any_video_fails(
    work: RecordedWork, site: Site, paths: list[str], want: type[Exception]
) -> None:
    with pytest.raises(want):
        caption_chunks.store_captions(batch(*(site.url + path for path in paths)), work)


def test_private_addresses_are_refused(open_work: OpenWork, site: Site) -> None:
    work = open_work(CELERIAC_ALLOW_PRIVATE_ADDRESSES="false")
    with pytest.raises(AddressRefused):
        caption_chunks.store_captions(batch(f"{site.url}/video"), work)
    assert site.seen == []


def test_a_cancelled_batch_stops(work: RecordedWork, site: Site) -> None:
    work.cancel_when = lambda report: report.message == "video 2 of 3"
    with pytest.raises(Cancelled):
        caption_chunks.store_captions(batch(*[f"{site.url}/video"] * 3), work)
    assert len(site.requests("/video")) == 1


def test_the_original_route_makes_a_bot_know_videos(
    environment: dict[str, str], start_worker: StartWorker, site: Site
) -> None:
    start_worker(["youtube"])
    with serving.serve(serving.platform_from_environment()) as server:
        body = {"bot_id": "bot 1", "video_urls": [f"{site.url}/video", f"{site.url}/status/404"]}
        answer = server.http.post("/process-videos", json=body)
        assert (answer.status_code, list(answer.json())) == (200, ["task_id"])
        task_id = answer.json()["task_id"]
        job = server.http.get(f"/api/v1/jobs/{task_id}", params={"wait": 30}).json()
        assert job["state"] == "succeeded", job
        told = server.http.get(f"/task/{task_id}").json()
        assert (told["status"], told["done"]) == ("SUCCESS", True)
        assert [video["status"] for video in told["result"]["videos"]] == ["ready", "failed"]
        assert server.platform.stores.chunks.count(chatbot_id="bot 1") == 1


def test_a_batch_of_no_videos_is_refused(environment: dict[str, str]) -> None:
    with serving.serve(serving.platform_from_environment()) as server:
        for body in ({"bot_id": "b", "video_urls": []}, {"bot_id": "b", "video_urls": ["no URL"]}):
            answer: httpx2.Response = server.http.post("/process-videos", json=body)
            assert answer.status_code == 422
