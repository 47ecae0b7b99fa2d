"""Videos of articles, by the routes that older clients know."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from app.api import celery_status, loose
from app.api.json_values import ShownText
from app.api.links import Links
from app.api.requests import VideoOrder
from app.api.routes.jobs import JobIdParam, id_of
from app.api.routes.submit import accept, parse_params
from app.api.services import LinksParam, ServicesParam
from app.errors import NotFound
from app.jobs.model.job import Job, JobRequest

KIND = "video"

MEDIA_TYPE = "video/mp4"

VideoOrderParam = Annotated[VideoOrder, Depends(loose.body_of(VideoOrder))]

router = APIRouter(tags=["original routes"])


class Ordered(BaseModel):
    """A video is being made."""

    job_id: str
    status: str


class VideoProgress(BaseModel):
    """How far a video is; `video_url` is where it is, once it is there."""

    job_id: str
    video_id: str
    pubmed_id: str
    status: str
    progress: float
    video_url: str | None
    error: ShownText | None


@router.post("/api/videos/generate", openapi_extra=loose.request_body(VideoOrder))
def generate_video(body: VideoOrderParam, services: ServicesParam) -> Ordered:
    """Make a video of a PubMed article."""
    given = body.model_dump(mode="json", exclude_none=True)
    params = parse_params(KIND, given, services.platform.registry)
    asked = JobRequest(pipeline=KIND, params=params.model_dump(mode="json"))
    job = accept(services, asked)
    return Ordered(job_id=job.id, status=celery_status.state_of_job(job))


@router.get("/api/videos/{job_id:uuid}")
def video_status(job_id: JobIdParam, services: ServicesParam, links: LinksParam) -> VideoProgress:
    """How far a video is."""
    job = services.jobs.get(id_of(job_id))
    if job.pipeline != KIND:
        raise NotFound(f"job {job.id} makes no video")
    told = celery_status.of_job(job)
    return VideoProgress(
        job_id=job.id,
        video_id=job.params.get("video_id") or job.id,
        pubmed_id=job.params["pubmed_id"],
        status=told.status,
        progress=job.progress,
        video_url=_video_url(job, links),
        error=told.error,
    )


def _video_url(job: Job, links: Links) -> str | None:
    """None as long as the job has not succeeded: a video of an attempt that failed is no answer."""
    if job.result is None:
        return None
    names = (found.name for found in job.artifacts if found.media_type == MEDIA_TYPE)
    name = next(names, None)
    return None if name is None else links.artifact(job.id, name)
