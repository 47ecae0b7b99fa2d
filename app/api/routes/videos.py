"""Videos of articles, by the original routes."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from app.api import celery_status, lenient_bodies
from app.api.json_values import ShownText
from app.api.links import Links
from app.api.requests import VideoOrderBody
from app.api.routes.jobs import JobIdParam, id_of
from app.api.routes.submit import accept, parse_params
from app.api.services import LinksParam, ServicesParam
from app.errors import NotFound
from app.jobs.model.job import Job, JobRequest

KIND = "video"

MEDIA_TYPE = "video/mp4"

VideoOrderParam = Annotated[VideoOrderBody, Depends(lenient_bodies.body_of(VideoOrderBody))]

router = APIRouter(tags=["original routes"])


class VideoAccepted(BaseModel):
    """An accepted video job."""

    job_id: str
    status: str


class VideoProgress(BaseModel):
    """The progress of a video; `video_url` is its address, once it exists."""

    job_id: str
    video_id: str
    pubmed_id: str
    status: str
    progress: float
    video_url: str | None
    error: ShownText | None


@router.post("/api/videos/generate", openapi_extra=lenient_bodies.request_body(VideoOrderBody))
def generate_video(body: VideoOrderParam, services: ServicesParam) -> VideoAccepted:
    """Generate a video of a PubMed article."""
    given = body.model_dump(mode="json", exclude_none=True)
    params = parse_params(KIND, given, services.registry)
    asked = JobRequest(pipeline=KIND, params=params.model_dump(mode="json"))
    job = accept(services, asked)
    return VideoAccepted(job_id=job.id, status=celery_status.state_of_job(job))


@router.get("/api/videos/{job_id:uuid}")
def video_status(job_id: JobIdParam, services: ServicesParam, links: LinksParam) -> VideoProgress:
    """Get the progress of a video."""
    job = services.jobs.get(id_of(job_id))
    if job.pipeline != KIND:
        raise NotFound(f"job {job.id} is not a video job")
    status = celery_status.of_job(job)
    return VideoProgress(
        job_id=job.id,
        video_id=job.params.get("video_id") or job.id,
        pubmed_id=job.params["pubmed_id"],
        status=status.status,
        progress=job.progress,
        video_url=_video_url(job, links),
        error=status.error,
    )


def _video_url(job: Job, links: Links) -> str | None:
    """None until the job has succeeded: a failed attempt may have left an incomplete video."""
    if job.result is None:
        return None
    names = (found.name for found in job.artifacts if found.media_type == MEDIA_TYPE)
    name = next(names, None)
    return None if name is None else links.artifact(job.id, name)
