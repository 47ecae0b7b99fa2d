"""Files that attack their reader are read or refused: in time, within the limits, without a trace
of this machine in the answer, and without anything left behind."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import PermanentError
from app.pipelines.document import process
from app.pipelines.document.schema import DocumentParams
from app.testing import RecordedWork
from tests import hostile_files
from tests.hostile_files import HOSTILE
from tests.integration.pipelines.conftest import OpenWork

LIMITS = {
    "CELERIAC_DOCUMENT_TIME_S": "20",
    "CELERIAC_DOCUMENT_MEMORY_BYTES": str(768 * 1024**2),
    "CELERIAC_DOCUMENT_CHARACTERS": "30000000",
}


def outcome(work: RecordedWork, content: bytes, name: str) -> str:
    """All that the client is told: the chunks, or the error."""
    file = work.directory.parent / "upload"
    file.write_bytes(content)
    upload = work.stores.uploads.add(file, filename=name, media_type="application/octet-stream")
    file.unlink()
    params = {"upload_id": upload.id, "chatbot_id": "bot", "source_id": "s"}
    try:
        result = process.process(DocumentParams.model_validate(params), work)
    except PermanentError as error:
        return str(error)
    texts = "\n".join(chunk.text for chunk in work.stores.chunks.of_source("s"))
    return f"{result.model_dump()}\n{texts}"


def test_there_are_enough() -> None:
    """With those of `papers.BAD`, `pdfs.BAD` and of the pictures more than sixty."""
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize(("make", "name"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_does_no_harm(
    open_work: OpenWork, tmp_path: Path, make: Callable[[], bytes], name: str
) -> None:
    work = open_work(**LIMITS)
    found = outcome(work, make(), name)

    for told in (str(tmp_path), "Traceback", "root:", "site-packages", hostile_files.HIDDEN):
        assert told not in found.replace(f'WEBSERVICE("{hostile_files.HIDDEN}")', "")
    left = {path.name for path in work.directory.rglob("*") if path.is_file()}
    assert not left - {"document", "chunks.jsonl"}, left  # removed with the job
    assert not list(tmp_path.rglob("evil*"))
