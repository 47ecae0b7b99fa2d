"""What bots know: full-text search over the stored chunks."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.bodies import Text
from app.api.services import ServicesParam
from app.api.views import ChunkView, Listing

MOST_HITS = 100

router = APIRouter(tags=["chunks"])


class ChunkQuery(BaseModel):
    """What to look for, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: Text = Field(min_length=1, description="Words; a chunk with one of them is found.")
    chatbot_id: Text | None = Field(None, description="Only what this bot knows.")
    source_id: Text | None = Field(None, description="Only chunks of this source.")
    limit: int = Field(10, ge=1, le=MOST_HITS)


@router.get("/chunks")
def search_chunks(
    services: ServicesParam, asked: Annotated[ChunkQuery, Query()]
) -> Listing[ChunkView]:
    """The stored chunks that have a word of the query, best first: those with rare words, and with
    many of them. Case and accents do not matter."""
    platform = services.platform
    hits = platform.chunks.search(
        asked.query, chatbot_id=asked.chatbot_id, source_id=asked.source_id, limit=asked.limit
    )
    sources = platform.sources.by_id({hit.chunk.source_id for hit in hits})
    return Listing(items=tuple(ChunkView.of(hit, sources.get(hit.chunk.source_id)) for hit in hits))
