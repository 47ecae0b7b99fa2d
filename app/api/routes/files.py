"""Uploads for jobs, and downloads of their artifacts, whole or in part (RFC 9110)."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from app.api import multipart, problem
from app.api.middleware.auditing import DOWNLOAD
from app.api.middleware.request_lifecycle import BodyRule
from app.api.openapi import Responses
from app.api.routes.jobs import JobIdParam, id_of
from app.api.services import PrincipalParam, Services, ServicesParam
from app.api.views import View
from app.jobs.model.job import Artifact
from app.settings import FileSettings
from app.storage import audit_log, ownership
from app.storage.uploads import Upload

router = APIRouter()

FORM_OVERHEAD_BYTES = 256 * 1024
"""What a form may contain besides its file."""


class UploadView(View):
    """An uploaded file, for use in the parameters of a job."""

    id: str = Field(description="Use it as `upload_id` in the parameters of a job.")
    filename: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime

    @classmethod
    def of(cls, upload: Upload) -> "UploadView":
        return cls.model_validate(upload)


def body_rules(settings: FileSettings) -> list[BodyRule]:
    """The body limits of the routes that take a file."""
    limit_bytes = settings.upload_limit_bytes + FORM_OVERHEAD_BYTES
    paths = ("/uploads", "/upload-document")
    return [BodyRule(path_end=path, limit_bytes=limit_bytes) for path in paths]


def form_schema(*, optional: Sequence[str] = ()) -> dict[str, object]:
    """OpenAPI of a form with a file and optional text fields. The body is streamed, so FastAPI
    cannot describe it."""
    texts = {name: {"type": "string", "maxLength": 200, "pattern": r"^$|\S"} for name in optional}
    file = {"type": "string", "format": "binary"}
    schema = {
        "type": "object",
        "properties": {"file": file, **texts},
        "required": ["file"],
    }
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@router.post("/uploads", tags=["uploads"], status_code=201, openapi_extra=form_schema())
async def upload(
    request: Request, services: ServicesParam, principal: PrincipalParam
) -> UploadView:
    """Upload a file, and use its id in the parameters of a job."""
    known = services.quotas.limits.cached(principal.owner)
    if known is None or known.stored_bytes is not None:  # before all of it is received
        await run_in_threadpool(services.quotas.check_bytes, principal.owner)
    async with received(request, services) as form:
        kept = await run_in_threadpool(keep, services, form.file)
        audit_log.current().describe(subject=kept.id)
        return UploadView.of(kept)


def received(
    request: Request, services: Services
) -> contextlib.AbstractAsyncContextManager[multipart.Form]:
    """The form of a request. Its file exists within the block."""
    files = services.settings.files
    return multipart.received(
        request.stream(),
        content_type=request.headers.get("content-type", ""),
        directory=files.temp_dir / "uploads",
        limit_bytes=files.upload_limit_bytes,
    )


def keep(services: Services, file: multipart.ReceivedFile) -> Upload:
    """Store the file. Raises QuotaExceeded when the owner may not store so much."""
    return services.stores.uploads.add(
        file.path,
        filename=file.filename,
        media_type=file.media_type,
        check_size=services.quotas.byte_check(ownership.current().owner),
    )


_BINARY = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
"""An artifact has the media type that its job gave it."""

RESPONSES: Responses = {
    200: {"description": "The file.", "content": _BINARY},
    206: {"description": "The part requested by `Range`.", "content": _BINARY},
    304: {"description": "The client already has this file."},
    416: {"description": "The range is outside of the file.", "model": problem.Problem},
}


@router.head(
    "/jobs/{job_id:uuid}/artifacts/{name:path}", response_class=Response, include_in_schema=False
)
@router.get(
    "/jobs/{job_id:uuid}/artifacts/{name:path}",
    tags=["artifacts"],
    response_class=Response,
    responses=RESPONSES,
)
def get_artifact(
    job_id: JobIdParam,
    name: str,
    request: Request,
    services: ServicesParam,
    principal: PrincipalParam,
) -> Response:
    """Download a file. Supports `Range` (a single range), `If-Range` and `If-None-Match`."""
    artifact, key = services.jobs.artifact(id_of(job_id), name)
    if principal.sees_all and services.jobs.get(id_of(job_id)).owner not in ("", principal.owner):
        audit_log.current().describe(action=DOWNLOAD, subject=str(job_id), detail=name)
    try:
        answer = delivery(artifact, request.headers)
    except Unsatisfiable:
        whole = {"Content-Range": f"bytes */{artifact.size_bytes}"}
        raise HTTPException(416, f"the file has {artifact.size_bytes} bytes", whole) from None
    if answer.part is None or request.method == "HEAD":
        return Response(status_code=answer.status, headers=answer.headers)
    blocks = services.stores.artifacts.stream(key, start=answer.part.start, end=answer.part.end)
    return StreamingResponse(blocks, status_code=answer.status, headers=answer.headers)


_SINGLE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)
"""18 digits are enough for any file, and Python refuses to parse thousands of digits."""

_UNSAFE_IN_QUOTES = re.compile(r"[^A-Za-z0-9 !#$&+.^_`{}~()\[\],;=@-]")


class Unsatisfiable(Exception):
    """The range is outside of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """Bytes from `start` up to but not including `end`."""

    start: int
    end: int

    @property
    def length_bytes(self) -> int:
        return self.end - self.start

    def content_range(self, size_bytes: int) -> str:
        return f"bytes {self.start}-{self.end - 1}/{size_bytes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactResponse:
    """The response to a request for an artifact."""

    status: HTTPStatus
    headers: dict[str, str]
    part: ByteRange | None
    """The bytes to send, if any."""


def delivery(artifact: Artifact, asked: Mapping[str, str]) -> ArtifactResponse:
    """Choose the response by the headers of the request. Raises Unsatisfiable."""
    etag = f'"{artifact.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": disposition(artifact.name),
        "Content-Type": artifact.media_type,
    }
    if is_known(asked.get("if-none-match"), etag):
        return ArtifactResponse(status=HTTPStatus.NOT_MODIFIED, headers=headers, part=None)
    size_bytes = artifact.size_bytes
    part = wanted(
        range_header=asked.get("range"),
        if_range=asked.get("if-range"),
        etag=etag,
        size_bytes=size_bytes,
    )
    sent = part if part is not None else ByteRange(start=0, end=size_bytes)
    headers["Content-Length"] = str(sent.length_bytes)
    if part is None:
        return ArtifactResponse(status=HTTPStatus.OK, headers=headers, part=sent)
    headers["Content-Range"] = part.content_range(size_bytes)
    return ArtifactResponse(status=HTTPStatus.PARTIAL_CONTENT, headers=headers, part=sent)


def wanted(
    *, range_header: str | None, if_range: str | None, etag: str, size_bytes: int
) -> ByteRange | None:
    """The part to send, or None for the whole file.

    As RFC 9110 allows, multiple ranges, other units and invalid ranges get the whole file. Raises
    Unsatisfiable.
    """
    if range_header is None or (if_range is not None and if_range.strip() != etag):
        return None
    found = _SINGLE_RANGE.fullmatch(range_header.replace(" ", ""))
    if found is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        return _suffix(int(last), size_bytes)
    return _span(int(first), int(last) if last else None, size_bytes)


def _suffix(length: int, size_bytes: int) -> ByteRange:
    if length == 0 or size_bytes == 0:
        raise Unsatisfiable
    return ByteRange(start=max(0, size_bytes - length), end=size_bytes)


def _span(first: int, last: int | None, size_bytes: int) -> ByteRange | None:
    if last is not None and last < first:
        return None
    if first >= size_bytes:
        raise Unsatisfiable
    end = size_bytes if last is None else min(last + 1, size_bytes)
    return ByteRange(start=first, end=end)


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the client already has this file (weak comparison, `*` matches any)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def disposition(name: str) -> str:
    """A `Content-Disposition` that saves the file, safely quoted (RFC 6266)."""
    last_part = name.replace("\\", "/").rsplit("/", 1)[-1] or "file"
    plain = _UNSAFE_IN_QUOTES.sub("_", last_part)
    if plain == last_part:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last_part, safe='')}"
