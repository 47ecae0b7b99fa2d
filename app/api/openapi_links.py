"""Links of the OpenAPI document: which operations take the ids in a response."""

from typing import Any

Json = Any  # a JSON value: the type system has no better word for it

_ID = "$response.body#/id"
_FIRST = "$response.body#/items/0/id"

_JOB_OPERATIONS = (
    "get_job",
    "list_runs",
    "stream_events",
    "list_artifacts",
    "cancel_job",
    "retry_job",
)

_NOTIFICATION_OPERATIONS = ("get_notification", "mark_read", "mark_unread")


def add(document: dict[str, Json]) -> None:
    """Add the links of every response that names a job, an artifact, an upload, a notification or
    a key."""
    for operations in document["paths"].values():
        for operation in operations.values():
            links = _links(operation["operationId"], document)
            for status, response in operation["responses"].items():
                if links and status.startswith("2"):
                    response["links"] = links


def _links(name: str, document: dict[str, Json]) -> dict[str, Json]:
    if name == "submit_batch":
        return _to(_JOB_OPERATIONS, job_id=_FIRST)
    if name.startswith("submit_") or name in ("cancel_job", "retry_job"):
        return _to(_JOB_OPERATIONS, job_id=_ID)
    return _BY_OPERATION.get(name, {})


def _to(names: tuple[str, ...], **parameters: str) -> dict[str, Json]:
    return {name: {"operationId": name, "parameters": parameters} for name in names}


_BY_OPERATION: dict[str, dict[str, Json]] = {
    "list_jobs": _to(_JOB_OPERATIONS, job_id=_FIRST)
    | {
        "next_page": {
            "operationId": "list_jobs",
            "parameters": {"cursor": "$response.body#/next_cursor"},
        }
    },
    "get_job": _to(("get_artifact",), job_id=_ID, name="$response.body#/artifacts/0/name"),
    "list_artifacts": _to(
        ("get_artifact",),
        job_id="$request.path.job_id",
        name="$response.body#/items/0/name",
    ),
    "list_notifications": _to(_NOTIFICATION_OPERATIONS, notification_id=_FIRST),
    "create_key": _to(("revoke_key",), key_id=_ID),
    "generate_video": _to(("video_status",), job_id="$response.body#/job_id"),
    "upload": {
        "submit_document": {
            "operationId": "submit_document",
            "requestBody": {"params": {"chatbot_id": "bot", "upload_id": _ID}},
        }
    },
    **{
        name: _to(("task_status", "task"), task_id="$response.body#/task_id")
        for name in ("upload_document", "process_videos", "scrape_youtube")
    },
}
