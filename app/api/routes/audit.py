"""The audit log: who did what, when, and from where."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from app.api.json_values import ShownText
from app.api.openapi import Responses
from app.api.requests import PAGE_LIMIT, Moment
from app.api.services import ServicesParam
from app.api.views import Listing, View
from app.storage.audit_log import MAX_TEXT, AuditFilter, AuditLine, AuditLog, Outcome

EXPORTED_AT_ONCE = 1000
"""Lines of one query of an export."""

MEDIA_TYPE = "application/jsonl"

router = APIRouter(tags=["access"])


class AuditLineView(View):
    """One act."""

    id: str
    at: datetime
    actor: str = Field(description="The owner of the key; empty where none was needed.")
    key_id: str | None
    action: str = Field(description="Such as `job.submit`.")
    subject: ShownText = Field(description="Id of what was changed, the first one of several.")
    count: int = Field(description="How many were changed, or refused.")
    detail: ShownText = Field(description="The kinds of submitted jobs, the scope of a key.")
    outcome: Outcome
    address: str = Field(description="Where the request came from.")
    user_agent: ShownText
    request_id: str


class AuditSearch(BaseModel):
    """Filters of the audit log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: str = Field("", max_length=MAX_TEXT, description="Only acts of this owner.")
    key_id: str = Field("", max_length=MAX_TEXT, description="Only acts with this key.")
    action: str = Field(
        "", max_length=MAX_TEXT, description="Only this action, or with a dot its group: `job.`."
    )
    subject: str = Field("", max_length=MAX_TEXT, description="Only acts on this id.")
    outcome: Outcome | None = Field(None, description="Only acts with this outcome.")
    since: Moment | None = Field(None, description="Only acts at this time or later.")
    before: Moment | None = Field(None, description="Only acts before this time.")

    @property
    def filter(self) -> AuditFilter:
        return AuditFilter(
            actor=self.actor,
            key_id=self.key_id,
            action=self.action,
            subject=self.subject,
            outcome=self.outcome,
            since=self.since,
            before=self.before,
        )


class AuditQuery(AuditSearch):
    """Filters and page of `GET /audit`."""

    cursor: str | None = Field(
        None, max_length=MAX_TEXT, description="`next_cursor` of the previous page."
    )
    limit: int = Field(50, ge=1, le=PAGE_LIMIT)


@router.get("/audit")
def list_audit(
    services: ServicesParam, wanted: Annotated[AuditQuery, Query()]
) -> Listing[AuditLineView]:
    """List who did what, newest first."""
    lines, next_cursor = services.stores.audit.read(
        wanted.filter, cursor=wanted.cursor, limit=wanted.limit
    )
    items = tuple(map(AuditLineView.model_validate, lines))
    return Listing(items=items, next_cursor=next_cursor)


EXPORT: Responses = {
    200: {"description": "A JSON object on each line.", "content": {MEDIA_TYPE: {}}},
}


@router.get("/audit.jsonl", response_class=StreamingResponse, responses=EXPORT)
def export_audit(
    services: ServicesParam, wanted: Annotated[AuditSearch, Query()]
) -> StreamingResponse:
    """Export the audit log, newest first, one JSON object on each line."""
    return StreamingResponse(_texts(services.stores.audit, wanted.filter), media_type=MEDIA_TYPE)


def _texts(log: AuditLog, wanted: AuditFilter) -> Iterator[str]:
    cursor = None
    while True:
        lines, cursor = log.read(wanted, cursor=cursor, limit=EXPORTED_AT_ONCE)
        yield "".join(f"{_text(line)}\n" for line in lines)
        if cursor is None:
            return


def _text(line: AuditLine) -> str:
    return AuditLineView.model_validate(asdict(line)).model_dump_json()
