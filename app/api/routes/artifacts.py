"""Files that jobs made, whole or in part."""

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from app.api import problem, ranges
from app.api.openapi import Responses
from app.api.ranges import Unsatisfiable
from app.api.routes.jobs import JobIdParam, id_of
from app.api.services import ServicesParam

router = APIRouter(tags=["artifacts"])

_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

RESPONSES: Responses = {
    200: {"description": "The file.", "content": _BINARY},
    206: {"description": "The part that `Range` names.", "content": _BINARY},
    304: {"description": "The client has this very file."},
    416: {"description": "No byte of the file lies in the range.", "model": problem.Problem},
}


@router.head(
    "/jobs/{job_id:uuid}/artifacts/{name:path}", response_class=Response, include_in_schema=False
)
@router.get(
    "/jobs/{job_id:uuid}/artifacts/{name:path}", response_class=Response, responses=RESPONSES
)
def get_artifact(
    job_id: JobIdParam, name: str, request: Request, services: ServicesParam
) -> Response:
    """Download a file. Understands `Range` (one range), `If-Range` and `If-None-Match`."""
    artifact, key = services.platform.jobs.artifact(id_of(job_id), name)
    try:
        answer = ranges.delivery(artifact, request.headers)
    except Unsatisfiable:
        whole = {"Content-Range": f"bytes */{artifact.size_bytes}"}
        raise HTTPException(416, f"the file has {artifact.size_bytes} bytes", whole) from None
    if answer.part is None or request.method == "HEAD":
        return Response(status_code=answer.status, headers=answer.headers)
    blocks = services.platform.artifacts.stream(key, start=answer.part.start, end=answer.part.end)
    return StreamingResponse(blocks, status_code=answer.status, headers=answer.headers)
