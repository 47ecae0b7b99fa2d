"""Make a bot know a document: its file, its text, its chunks, its source's status."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.documents import child
from app.documents.child import ChildLimits
from app.documents.items import Block, Caveat, Extent, Fact, Item, Position, Refusal
from app.documents.reader_options import DocumentLimits
from app.jobs.model.work import Work
from app.pipelines import input_files, source_progress
from app.pipelines.chunking import Chunker
from app.pipelines.document.schema import DocumentParams, Processed
from app.pipelines.reading_warnings import ReadingWarning
from app.settings import DocumentSettings
from app.storage.chunks import NewChunk
from app.worker.sandbox.policy import Sandbox

READER = "app.documents.reader"

READ_PERCENT = 90.0
"""Where reading ends and storing begins."""

UNITS = {"pdf": "page", "xlsx": "row"}
"""What positions count, by format. In the others they count bytes, which say nothing to a user."""

_FILE, _SPOOL = "document", "chunks.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDocument:
    """What was read. Its chunks are in the spool file."""

    chunks: int
    characters: int
    tokens: int
    facts: dict[str, Any]  # JSON
    warnings: tuple[ReadingWarning, ...]


def process(params: DocumentParams, work: Work) -> Processed:
    """Read the file, replace the chunks of its source, and mark the source ready.

    Doing it again gives the same chunks under the same ids. Raises NotFound (no such file),
    InvalidInput, PasswordNeeded, UnsupportedFormat, LimitExceeded, StorageUnavailable, and what the
    work raises to stop. What will not heal, or is not tried again, marks the source failed.
    """
    begun = source_progress.processing(
        params.source_id,
        work,
        chatbot_id=params.chatbot_id,
        filename=lambda: _name(params, work),
    )
    with begun as source_id:
        return _processed(params, source_id, work)


def _processed(params: DocumentParams, source_id: str, work: Work) -> Processed:
    work.progress(0, "fetching the file")
    path = input_files.fetch(
        work, work.directory / _FILE, upload_id=params.upload_id, path=params.file_path
    )
    content_sha256 = _sha256(path)
    spool = work.directory / _SPOOL
    name = _name(params, work)
    found = _read(path, name=name, spool=spool, work=work)
    work.progress(READ_PERCENT, f"storing {found.chunks} chunks")
    work.stores.chunks.replace(source_id, _spooled(spool), chatbot_id=params.chatbot_id)
    work.stores.sources.mark_ready(source_id, content_sha256=content_sha256)
    work.progress(100, f"stored {found.chunks} chunks")
    return _answer(params, source_id, name, found, content_sha256)


def _name(params: DocumentParams, work: Work) -> str:
    if params.filename is not None:
        return params.filename
    return input_files.name_of(work, upload_id=params.upload_id, path=params.file_path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _answer(
    params: DocumentParams, source_id: str, name: str, found: ReadDocument, content_sha256: str
) -> Processed:
    return Processed(
        source_id=source_id,
        chatbot_id=params.chatbot_id,
        filename=name,
        chunks=found.chunks,
        characters=found.characters,
        tokens=found.tokens,
        content_sha256=content_sha256,
        warnings=found.warnings,
        **found.facts,
    )


def _read(path: Path, *, name: str, spool: Path, work: Work) -> ReadDocument:
    """Read the file, called `name`, in a child process, and write its chunks to `spool`."""
    settings = work.settings.documents
    limits = DocumentLimits(pages=settings.page_limit, characters=settings.character_limit)
    with spool.open("w", encoding="utf-8") as file:
        collector = _Collector(file.write, settings, work)
        child.read_items(
            READER,
            [str(path), name, json.dumps(asdict(limits))],
            on_item=collector.take,
            child_limits=ChildLimits(
                memory_bytes=settings.memory_limit_bytes,
                cpu_s=settings.time_limit_s,
                timeout_s=settings.time_limit_s,
            ),
            sandbox=Sandbox(readable=(path,)),
            run=work.run_process,
        )
        return collector.finish()


def _spooled(spool: Path) -> Iterator[NewChunk]:
    """The chunks of a spool file, one at a time."""
    with spool.open(encoding="utf-8") as file:
        for line in file:
            yield NewChunk(**json.loads(line))


class _Collector:
    """Receives the items of a document: cuts and spools the text, reports the progress."""

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

    def take(self, item: Item) -> None:
        match item:
            case Block() as block:
                self._characters += len(block.text)
                self._spool(self._chunker.add(block))
            case Extent(total=total):
                self._total = total
            case Position(done=done):
                self._report(done)
            case Fact(name=name, value=value):
                self._facts[name] = value
            case Caveat() as caveat:
                self._warnings.append(ReadingWarning.of(caveat))
            case Refusal() as refusal:
                raise child.refused(refusal)

    def finish(self) -> ReadDocument:
        self._spool(self._chunker.finish())
        return ReadDocument(
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

    def _report(self, done: int) -> None:
        if self._total:
            reached = READ_PERCENT * min(1.0, done / self._total)
            self._percent = max(self._percent, reached)
        unit = UNITS.get(self._facts.get("format", ""))
        place = "" if unit is None else f" {unit} {done} of {max(done, self._total)}"
        self._work.progress(self._percent, f"reading{place}")
