"""Split the text of a source into chunks for retrieval: by tokens, at natural boundaries.

Blocks are added one by one and chunks are returned as soon as they are final, so that memory does
not grow with the source. A chunk never spans sheets, and spans headings only where sections are
short. Tokens are counted in o200k, the vocabulary of current OpenAI models, which is part of
semantic-text-splitter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from semantic_text_splitter import TextSplitter

from app.documents.items import Block
from app.storage.chunks import NewChunk

VOCABULARY = "gpt-4o"
"""A model that uses the vocabulary: the splitter identifies vocabularies by model."""

CHARACTERS_PER_TOKEN = 4
"""Average of English text; only an estimate that decides when to count exactly."""

WINDOW_CHUNKS = 8
"""Chunks to split at a time: enough text to find good boundaries, little enough that a cancelled
job ends quickly."""

SMALL_SECTION = 4
"""A section shorter than 1/SMALL_SECTION of a chunk is joined with the next one."""


class Chunker:
    """Splits the blocks of one source, in order."""

    def __init__(self, *, tokens: int, overlap_tokens: int) -> None:
        self._tokens = tokens
        self._splitter = TextSplitter.from_tiktoken_model(VOCABULARY, tokens, overlap_tokens)
        self._window_length = tokens * CHARACTERS_PER_TOKEN * WINDOW_CHUNKS
        self._waiting = _Text()
        self._tokens_per_character = 1 / CHARACTERS_PER_TOKEN

    def add(self, block: Block) -> list[NewChunk]:
        """Add a block; return the chunks that are now complete."""
        done: list[NewChunk] = []
        if self._ends_before(block):
            done = self.finish()
        self._waiting.append(block)
        if self._waiting.length >= self._window_length:
            done += self._cut_all_but_last()
        return done

    def finish(self) -> list[NewChunk]:
        """The chunks of the buffered text. More blocks may follow."""
        text, self._waiting = self._waiting, _Text()
        return [self._chunk(piece, text) for piece in self._pieces(text)]

    def _ends_before(self, block: Block) -> bool:
        last = self._waiting.last
        if last is None:
            return False
        if block.sheet != last.sheet:
            return True
        section_length = self._tokens * CHARACTERS_PER_TOKEN // SMALL_SECTION
        return block.headings != last.headings and self._waiting.length >= section_length

    def _cut_all_but_last(self) -> list[NewChunk]:
        """The last piece stays buffered: more text may give it a better boundary."""
        text = self._waiting
        pieces = self._pieces(text)
        if len(pieces) < 2:
            return []
        self._waiting = text.from_(pieces[-1][0])
        return [self._chunk(piece, text) for piece in pieces[:-1]]

    def _pieces(self, text: "_Text") -> list[tuple[int, str]]:
        """Start and text of each piece."""
        return [piece for piece in self._splitter.chunk_indices(text.whole) if piece[1]]

    def _chunk(self, piece: tuple[int, str], text: "_Text") -> NewChunk:
        start, content = piece
        blocks = text.blocks_between(start, start + len(content))
        guess = round(len(content) * self._tokens_per_character)
        tokens = count_tokens(content, at_most=self._tokens, guess=guess)
        self._tokens_per_character = tokens / len(content)
        return NewChunk(text=content, tokens=tokens, metadata=place_of(blocks))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    start: int
    end: int
    block: Block


class _Text:
    """The text of several blocks, with the position of each."""

    def __init__(self, parts: Sequence[_Part] = (), whole: str = "") -> None:
        self._parts = list(parts)
        self._pieces = [whole]
        self.length = len(whole)

    @property
    def whole(self) -> str:
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    @property
    def last(self) -> Block | None:
        return self._parts[-1].block if self._parts else None

    def append(self, block: Block) -> None:
        joint = block.joint if self._parts else ""
        start = self.length + len(joint)
        self._pieces += [joint, block.text]
        self.length = start + len(block.text)
        self._parts.append(_Part(start=start, end=self.length, block=block))

    def from_(self, start: int) -> "_Text":
        """The text from `start` on."""
        parts = [
            _Part(start=max(0, part.start - start), end=part.end - start, block=part.block)
            for part in self._parts
            if part.end > start
        ]
        return _Text(parts, self.whole[start:])

    def blocks_between(self, start: int, end: int) -> list[Block]:
        return [part.block for part in self._parts if part.start < end and part.end > start]


def place_of(blocks: Sequence[Block]) -> dict[str, Any]:  # JSON
    """Position of a chunk: `headings` at its start, `pages` and `rows` as first and last, `sheet`.
    Fields that the source does not have are omitted.

    >>> place_of([Block(text="a", page=2), Block(text="b", page=3)])
    {'pages': [2, 3]}
    """
    return dict(_positions(blocks))


def _positions(blocks: Sequence[Block]) -> Iterator[tuple[str, Any]]:
    if blocks and blocks[0].headings:
        yield "headings", list(blocks[0].headings)
    pages = [block.page for block in blocks if block.page is not None]
    if pages:
        yield "pages", [min(pages), max(pages)]
    if blocks and blocks[0].sheet is not None:
        yield "sheet", blocks[0].sheet
    rows = [block.row for block in blocks if block.row is not None]
    if rows:
        yield "rows", [min(rows), max(rows)]


def count_tokens(text: str, *, at_most: int, guess: int) -> int:
    """Number of tokens of the text, which has at most `at_most`.

    The splitter only checks whether a text fits into a number of tokens, in about half a
    millisecond. So this searches: from the guess in doubling steps, then by bisection. With the
    ratio of the last chunk as the guess it takes five checks.
    """
    enough = max(1, min(guess, at_most))
    step = 1
    while enough < at_most and not _fits(text, enough):
        enough, step = min(at_most, enough + step), step * 2
    too_few = max(0, enough - step)
    while too_few > 0 and _fits(text, too_few):
        enough, too_few, step = too_few, max(0, too_few - step * 2), step * 2
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _fits(text, middle):
            enough = middle
        else:
            too_few = middle
    return enough


def _fits(text: str, tokens: int) -> bool:
    splitter = TextSplitter.from_tiktoken_model(VOCABULARY, tokens, trim=False)
    return len(splitter.chunks(text)) <= 1
