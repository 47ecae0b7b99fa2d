"""The text to look for a strategy in: from the parameters, or from a text file that was sent."""

from pathlib import Path

from app.documents import encoding, items
from app.errors import InvalidInput, LimitExceeded, UnsupportedFormat
from app.jobs.model.work import Work
from app.pipelines.strategy.schema import StrategyParams

_FILE = "content"

BYTES_PER_CHARACTER = 4
"""No encoding takes more."""


def of_params(params: StrategyParams, work: Work) -> str:
    """Raises NotFound, InvalidInput (no text), UnsupportedFormat, LimitExceeded."""
    if params.content is not None:
        return params.content
    upload = work.platform.uploads.get(params.upload_id or "")
    most = work.platform.settings.llm.content_characters * BYTES_PER_CHARACTER
    if upload.size_bytes > most:
        raise LimitExceeded(f"the file has {upload.size_bytes} bytes, and {most} are the most")
    return _text(work.platform.uploads.fetch(upload.id, work.directory / _FILE))


def _text(path: Path) -> str:
    written = encoding.decoded(path.read_bytes()).text
    if "\x00" in written or written.startswith("%PDF"):
        raise UnsupportedFormat("this is no text file: send the text that is in it")
    text = items.clean(written)
    if not text.strip():
        raise InvalidInput("the file holds no text")
    return text
