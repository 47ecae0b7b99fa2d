"""Cut long content into pieces for a model, at the seams that the text has."""

from dataclasses import dataclass

from semantic_text_splitter import TextSplitter

from app.errors import LimitExceeded
from app.pipelines.chunking import VOCABULARY
from app.settings import LlmSettings

OVERLAP = 20
"""One part in so many of a piece is repeated in the next one: a rule that a seam cuts in two stands
in one of them whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of the content."""

    start: int
    """Characters of the content before it."""
    text: str


def cut(content: str, settings: LlmSettings) -> tuple[Piece, ...]:
    """The pieces in order. Raises LimitExceeded."""
    if len(content) > settings.content_characters:
        raise LimitExceeded(
            f"the content has {len(content)} characters, and {settings.content_characters} are "
            "the most (CELERIAC_LLM_CONTENT_CHARACTERS)"
        )
    tokens = settings.piece_tokens
    splitter = TextSplitter.from_tiktoken_model(VOCABULARY, tokens, tokens // OVERLAP)
    return tuple(Piece(start=start, text=text) for start, text in splitter.chunk_indices(content))
