"""Read a document in a child process within limits, and cut what comes out into chunks."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app import errors
from app.documents import items
from app.documents.items import Block, Caveat, Extent, Fact, Position, Refusal
from app.documents.reader_options import DocumentLimits
from app.errors import InvalidInput, PermanentError, ProcessFailed
from app.jobs.model.work import Work
from app.pipelines.chunking import Chunker
from app.pipelines.reading_warnings import ReadingWarning
from app.settings import DocumentSettings
from app.storage.chunks import NewChunk
from app.worker import limits as worker_limits

READER = "app.documents.reader"

READ_PERCENT = 90.0
"""Where reading ends and storing begins."""

UNITS = {"pdf": "page", "xlsx": "row"}
"""What positions count, by format; in the others they count bytes, which nobody wants to read."""

_REFUSALS: dict[str, type[PermanentError]] = {
    error.__name__: error
    for error in (
        errors.InvalidInput,
        errors.LimitExceeded,
        errors.PasswordNeeded,
        errors.UnsupportedFormat,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was read. The chunks are in the spool file."""

    chunks: int
    characters: int
    tokens: int
    facts: dict[str, Any]  # JSON
    warnings: tuple[ReadingWarning, ...]


def read(path: Path, *, name: str, spool: Path, work: Work) -> Read:
    """Read the file, called `name`, and write its chunks to `spool`.

    Raises InvalidInput (empty, damaged, no text), PasswordNeeded, UnsupportedFormat, LimitExceeded,
    and what the work raises to stop.
    """
    settings = work.platform.settings.documents
    with spool.open("w", encoding="utf-8") as file:
        listener = _Listener(file.write, settings, work)
        try:
            worker_limits.run_limited(
                READER,
                [str(path), name, json.dumps(asdict(_limits(settings)))],
                memory_bytes=settings.memory_limit_bytes,
                cpu_s=settings.time_limit_s,
                timeout_s=settings.time_limit_s,
                on_line=listener.hear,
                run=work.run_process,
            )
        except (ProcessFailed, json.JSONDecodeError) as error:
            raise InvalidInput("the document is damaged: its reader broke down on it") from error
        return listener.finish()


def spooled(spool: Path) -> Iterator[NewChunk]:
    """The chunks of a spool file, one at a time."""
    with spool.open(encoding="utf-8") as file:
        for line in file:
            yield NewChunk(**json.loads(line))


def _limits(settings: DocumentSettings) -> DocumentLimits:
    return DocumentLimits(pages=settings.page_limit, characters=settings.character_limit)


class _Listener:
    """Hears the reader's lines: cuts and spools the text, tells the progress."""

    def __init__(
        self, write: Callable[[str], object], settings: DocumentSettings, work: Work
    ) -> None:
        self._write = write
        self._work = work
        self._chunker = Chunker(
            tokens=settings.chunk_tokens, overlap_tokens=settings.chunk_overlap_tokens
        )
        self._chunks = self._characters = self._tokens = 0
        self._facts: dict[str, Any] = {}  # JSON
        self._warnings: list[ReadingWarning] = []
        self._total = 0
        self._percent = 0.0

    def hear(self, line: dict[str, Any]) -> None:  # JSON
        match items.from_json(line):
            case Block() as block:
                self._characters += len(block.text)
                self._spool(self._chunker.add(block))
            case Extent(total=total):
                self._total = total
            case Position(done=done):
                self._tell(done)
            case Fact(name=name, value=value):
                self._facts[name] = value
            case Caveat() as caveat:
                self._warnings.append(ReadingWarning.of(caveat))
            case Refusal(error=error, message=message):
                raise _REFUSALS.get(error, InvalidInput)(message)

    def finish(self) -> Read:
        self._spool(self._chunker.finish())
        return Read(
            chunks=self._chunks,
            characters=self._characters,
            tokens=self._tokens,
            facts=self._facts,
            warnings=tuple(self._warnings),
        )

    def _spool(self, chunks: list[NewChunk]) -> None:
        for chunk in chunks:
            self._chunks += 1
            self._tokens += chunk.tokens
            self._write(json.dumps(asdict(chunk)) + "\n")
        if chunks:
            self._work.check()

    def _tell(self, done: int) -> None:
        if self._total:
            reached = READ_PERCENT * min(1.0, done / self._total)
            self._percent = max(self._percent, reached)
        unit = UNITS.get(self._facts.get("format", ""))
        place = "" if unit is None else f" {unit} {done} of {max(done, self._total)}"
        self._work.progress(self._percent, f"reading{place}")
