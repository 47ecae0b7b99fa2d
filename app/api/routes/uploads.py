"""Files that jobs will work on."""

import contextlib
from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from app.api import multipart
from app.api.services import Services, ServicesParam
from app.api.views import UploadView
from app.storage.uploads import Upload

router = APIRouter(tags=["uploads"])

FORM_OVERHEAD_BYTES = 256 * 1024
"""What a form may hold beside its file."""


def form_schema(*, optional: Sequence[str] = ()) -> dict[str, object]:
    """OpenAPI of a form with a file, and these text fields if the client has them: the body is read
    as it comes, so nothing else describes it."""
    texts = {name: {"type": "string", "pattern": r"\S"} for name in optional}
    file = {"type": "string", "format": "binary"}
    schema = {
        "type": "object",
        "properties": {"file": file, **texts},
        "required": ["file"],
    }
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@router.post("/uploads", status_code=201, openapi_extra=form_schema())
async def upload(request: Request, services: ServicesParam) -> UploadView:
    """Send a file; name its id in the parameters of a job."""
    async with received(request, services) as form:
        return UploadView.of(await run_in_threadpool(keep, services, form.file))


def received(
    request: Request, services: Services
) -> contextlib.AbstractAsyncContextManager[multipart.Form]:
    """The form of a request; its file is there within the block."""
    files = services.platform.settings.files
    return multipart.received(
        request.stream(),
        content_type=request.headers.get("content-type", ""),
        directory=files.temp_dir / "uploads",
        limit_bytes=files.upload_limit_bytes,
    )


def keep(services: Services, file: multipart.ReceivedFile) -> Upload:
    return services.platform.uploads.add(
        file.path, filename=file.filename, media_type=file.media_type
    )
