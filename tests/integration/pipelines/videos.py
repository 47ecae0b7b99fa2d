"""Calls of the stage that makes a video of an article."""

from app.pipelines.video import generate
from app.pipelines.video.schema import Made, VideoParams
from app.testing import RecordedWork
from tests.sites import pubmed as library_site
from tests.sites.pubmed import Library


def of_library(library: Library, redis_url: str, **environment: str) -> dict[str, str]:
    return {
        "PUBMED_BASE_URL": library.url,
        "CELERIAC_ALLOW_PRIVATE_ADDRESSES": "false",
        "CELERY_BROKER_URL": redis_url,
        "CELERIAC_VIDEO_VOICE": "",
        **environment,
    }


def made(work: RecordedWork, pubmed_id: str = library_site.STRUCTURED, **values: str) -> Made:
    return generate.generate(VideoParams.model_validate({"pubmed_id": pubmed_id, **values}), work)
