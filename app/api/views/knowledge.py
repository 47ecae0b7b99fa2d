"""What bots know: files that were received, sources, pieces that were found."""

from datetime import datetime

from pydantic import Field

from app.api.plain import ShownJson, ShownText
from app.api.views.view import View
from app.storage.chunks import Hit
from app.storage.sources import Source, SourceStatus
from app.storage.uploads import Upload


class UploadView(View):
    """A file that was received, to be named in a job's parameters."""

    id: str = Field(description="The `upload_id` of kinds that work on a file.")
    filename: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime

    @classmethod
    def of(cls, upload: Upload) -> "UploadView":
        return cls.model_validate(upload)


class SourceView(View):
    """The document or site that a chunk is of."""

    id: str
    filename: ShownText
    status: SourceStatus
    updated_at: datetime


class ChunkView(View):
    """A piece of text that was found."""

    id: str
    source_id: str
    chatbot_id: str
    ordinal: int = Field(description="Its place in its source, counted from 0.")
    score: float = Field(
        description="How well it fits, relative to the best hit of the answer, which has 1."
    )
    text: ShownText
    tokens: int
    metadata: ShownJson = Field(description="Where it stands: headings, pages, sheet, rows, url.")
    source: SourceView | None = Field(description="Null when it was forgotten meanwhile.")

    @classmethod
    def of(cls, hit: Hit, source: Source | None) -> "ChunkView":
        chunk = hit.chunk
        return cls(
            id=chunk.id,
            source_id=chunk.source_id,
            chatbot_id=chunk.chatbot_id,
            ordinal=chunk.ordinal,
            score=hit.score,
            text=chunk.text,
            tokens=chunk.tokens,
            metadata=chunk.metadata,
            source=None if source is None else SourceView.model_validate(source),
        )
