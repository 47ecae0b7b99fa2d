"""The original routes, with the responses that older clients expect."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from app.api import celery_status, lenient_bodies
from app.api.celery_status import TaskStatus
from app.api.json_values import ShownJson, ShownText
from app.api.multipart import Form
from app.api.requests import ScrapeBody, VideoBatchBody
from app.api.routes import files
from app.api.routes.submit import accept, parse_params
from app.api.services import Services, ServicesParam
from app.errors import InvalidInput
from app.jobs.model.job import Job, JobId, JobRequest
from app.pipelines.parameters import Id

VideoBatchParam = Annotated[VideoBatchBody, Depends(lenient_bodies.body_of(VideoBatchBody))]
ScrapeParam = Annotated[ScrapeBody, Depends(lenient_bodies.body_of(ScrapeBody))]
ChatbotIdParam = Annotated[Id | None, Query(description="The bot, if the form has no such field.")]

PROCESSING = "processing"
"""The status of an accepted document, as the original route returned it."""

router = APIRouter(tags=["original routes"])


class Accepted(BaseModel):
    """An accepted document."""

    message: str
    source_id: str
    task_id: str
    status: str


class TaskId(BaseModel):
    """The id to query the task by."""

    task_id: str


class Status(BaseModel):
    """A task with its result and error."""

    task_id: str
    status: str
    result: ShownJson = None
    error: ShownText | None = None


class Done(BaseModel):
    """A task; `result` and `error` are left out while there is none."""

    task_id: str
    status: str
    done: bool
    result: ShownJson = None
    error: ShownText | None = None


@router.post("/upload-document", openapi_extra=files.form_schema(optional=("chatbot_id",)))
async def upload_document(
    request: Request, services: ServicesParam, chatbot_id: ChatbotIdParam = None
) -> Accepted:
    """Add a document to a bot's knowledge. `chatbot_id` may be in the query or in the form."""
    async with files.received(request, services) as form:
        bot = one_bot(in_query=chatbot_id, in_form=form.fields.get("chatbot_id"))
        return await run_in_threadpool(_process, services, form, bot)


def one_bot(*, in_query: str | None, in_form: str | None) -> str | None:
    """The bot that the query, the form or both name. Raises InvalidInput if they differ, because
    the document could end up with the wrong bot."""
    named = {found for found in (in_query, in_form) if found}
    if len(named) > 1:
        raise InvalidInput("chatbot_id differs between the query and the form")
    return next(iter(named), None)


@router.get("/task-status/{task_id}")
def task_status(task_id: str, services: ServicesParam) -> Status:
    """Get the status of a task."""
    found = _status(services, task_id)
    return Status(task_id=task_id, status=found.status, result=found.result, error=found.error)


@router.post("/process-videos", openapi_extra=lenient_bodies.request_body(VideoBatchBody))
def process_videos(body: VideoBatchParam, services: ServicesParam) -> TaskId:
    """Add what is said in videos to a bot's knowledge."""
    given = body.model_dump(mode="json")
    params = parse_params("video-batch", given, services.registry)
    return TaskId(task_id=_submit(services, "video-batch", params).id)


@router.post("/scrape-youtube", openapi_extra=lenient_bodies.request_body(ScrapeBody))
def scrape_youtube(body: ScrapeParam, services: ServicesParam) -> TaskId:
    """Process the videos of a channel, a playlist or a search."""
    given = body.model_dump(mode="json", exclude_unset=True)
    params = parse_params("channel", given, services.registry)
    return TaskId(task_id=_submit(services, "channel", params).id)


@router.get("/task/{task_id}", response_model_exclude_unset=True)
def task(task_id: str, services: ServicesParam) -> Done:
    """Get the status of a task, and its result or error once it is done."""
    found = _status(services, task_id)
    outcome = {"result": found.result} if found.error is None else {"error": found.error}
    return Done(
        task_id=task_id,
        status=found.status,
        done=found.is_done,
        **(outcome if found.is_done else {}),
    )


def _process(services: Services, form: Form, bot: str | None) -> Accepted:
    given = {"upload_id": "pending", **({} if bot is None else {"chatbot_id": bot})}
    params = parse_params("document", given, services.registry)  # before anything is stored
    upload = files.keep(services, form.file)
    own_id = params.model_dump()["chatbot_id"]
    source = services.stores.sources.create(chatbot_id=own_id, filename=upload.filename)
    known = params.model_copy(update={"upload_id": upload.id, "source_id": source.id})
    job = _submit(services, "document", known)
    services.stores.sources.attach_job(source.id, job_id=job.id)
    return Accepted(
        message="The document is being processed.",
        source_id=source.id,
        task_id=job.id,
        status=PROCESSING,
    )


def _submit(services: Services, kind: str, params: BaseModel) -> Job:
    return accept(services, JobRequest(pipeline=kind, params=params.model_dump(mode="json")))


def _status(services: Services, task_id: str) -> TaskStatus:
    job = services.jobs.find(JobId(task_id)) if _is_uuid(task_id) else None
    if job is not None:
        return celery_status.of_job(job)
    return celery_status.of_task(services.celery, task_id)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
