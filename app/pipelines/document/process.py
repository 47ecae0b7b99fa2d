"""Make a bot know a document: its file, its text, its chunks, its source's status."""

import hashlib
from pathlib import Path

from app.jobs.model.work import Work
from app.pipelines import inputs, knowledge
from app.pipelines.document import reading
from app.pipelines.document.reading import Read
from app.pipelines.document.schema import DocumentParams, Processed

_FILE, _SPOOL = "document", "chunks.jsonl"


def process(params: DocumentParams, work: Work) -> Processed:
    """Read the file, replace the chunks of its source, and mark the source ready.

    Doing it again gives the same chunks under the same ids. Raises NotFound (no such file),
    InvalidInput, PasswordNeeded, UnsupportedFormat, LimitExceeded, StorageUnavailable, and what the
    work raises to stop. What will not heal, or is not tried again, marks the source failed.
    """
    begun = knowledge.begun(
        params.source_id,
        work,
        chatbot_id=params.chatbot_id,
        filename=lambda: _name(params, work),
    )
    with begun as source_id:
        return _processed(params, source_id, work)


def _processed(params: DocumentParams, source_id: str, work: Work) -> Processed:
    work.progress(0, "fetching the file")
    path = inputs.fetched(
        work, work.directory / _FILE, upload_id=params.upload_id, path=params.file_path
    )
    content_sha256 = _sha256(path)
    spool = work.directory / _SPOOL
    name = _name(params, work)
    found = reading.read(path, name=name, spool=spool, work=work)
    work.progress(reading.READ_PERCENT, f"storing {found.chunks} chunks")
    work.platform.chunks.replace(source_id, reading.spooled(spool), chatbot_id=params.chatbot_id)
    work.platform.sources.mark_ready(source_id, content_sha256=content_sha256)
    work.progress(100, f"stored {found.chunks} chunks")
    return _answer(params, source_id, name, found, content_sha256)


def _name(params: DocumentParams, work: Work) -> str:
    if params.filename is not None:
        return params.filename
    return inputs.name_of(work, upload_id=params.upload_id, path=params.file_path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _answer(
    params: DocumentParams, source_id: str, name: str, found: Read, content_sha256: str
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
