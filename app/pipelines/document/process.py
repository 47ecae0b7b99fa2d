"""Make a bot know a document: its file, its text, its chunks, its source's status."""

import hashlib
from pathlib import Path

from app.errors import InvalidInput, PermanentError, WorkStopped
from app.jobs.model import Job
from app.jobs.work import Work
from app.pipelines import disk, inputs, workroom
from app.pipelines.document import reading
from app.pipelines.document.reading import Read
from app.pipelines.document.schema import DocumentParams, Processed
from app.storage.sources import SourceStatus

_FILE, _SPOOL = "document", "chunks.jsonl"


def process(params: DocumentParams, work: Work) -> Processed:
    """Read the file, replace the chunks of its source, and mark the source ready.

    Doing it again gives the same chunks under the same ids. Raises NotFound (no such file),
    InvalidInput, PasswordNeeded, UnsupportedFormat, LimitExceeded, StorageUnavailable, and what the
    work raises to stop. What will not heal, or is not tried again, marks the source failed.
    """
    source_id = _begun_source(params, work)
    try:
        with disk.watched():
            return _processed(params, source_id, work)
    except WorkStopped:
        raise
    except Exception as error:
        if isinstance(error, PermanentError) or workroom.is_last_attempt(work, error):
            work.platform.sources.mark_failed(source_id, error=str(error))
        raise


def abandon(job: Job, work: Work) -> None:
    """Mark the source of a job failed that ended without result, unless it says so already, or
    another job has it by now."""
    source_id = job.params.get("source_id") or job.id
    source = work.platform.sources.find(source_id)
    if source is None or source.status is not SourceStatus.PROCESSING:
        return
    if source.job_id not in (None, job.id):
        return
    reason = job.error.message if job.error is not None else "the job was cancelled"
    work.platform.sources.mark_failed(source_id, error=reason)


def _begun_source(params: DocumentParams, work: Work) -> str:
    source_id = params.source_id if params.source_id is not None else work.key
    known = work.platform.sources.find(source_id)
    if known is not None and known.chatbot_id != params.chatbot_id:
        raise InvalidInput(f"the source {source_id!r} belongs to another bot")
    work.platform.sources.ensure(
        source_id,
        chatbot_id=params.chatbot_id,
        filename=known.filename if known is not None else _name(params, work),
        job_id=work.job_id,
    )
    return source_id


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
        **found.facts,
    )
