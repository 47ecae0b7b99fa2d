"""What was read of PDF files with recognised pages, kept for the next time: recognition is dear.

An entry is a folder in `CACHE_DIR/pdf`, named after the content, what was asked for, and the
versions that read it. It is complete from the moment that it has its name. Whoever uses one touches
it, so that the clean-up knows (`pipelines.retention.caches`).
"""

import hashlib
import json
import logging
import os
import shutil
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from pydantic import ValidationError

from app.documents.reader_options import PdfOptions
from app.pipelines.pdf.schema import Read

log = logging.getLogger(__name__)

FOLDER = "pdf"

SUMMARY = "read.json"

_READERS = ("pypdfium2", "tesserocr")


def name_of(content_sha256: str, options: PdfOptions) -> str:
    """The entry's name. How many threads read it does not matter."""
    asked = {name: value for name, value in asdict(options).items() if name != "threads"}
    versions = [metadata.version(name) for name in _READERS]
    told = json.dumps([content_sha256, asked, versions], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


class PdfCache:
    """Entries by name. What goes wrong with it costs time and never a job."""

    def __init__(self, cache_dir: Path) -> None:
        self._folder = cache_dir / FOLDER

    def find(self, name: str) -> tuple[Read, Path] | None:
        """What was read, and the folder with its files."""
        entry = self._folder / name
        try:
            os.utime(entry)
            return Read.model_validate_json((entry / SUMMARY).read_bytes()), entry
        except (OSError, ValidationError):
            return None

    def keep(self, name: str, read: Read, folder: Path) -> None:
        """Take the folder over as the entry. One that is there already stays."""
        entry = self._folder / name
        arriving = self._folder / f".{name}-{os.getpid()}"
        try:
            (folder / SUMMARY).write_text(read.model_dump_json(), encoding="utf-8")
            self._folder.mkdir(parents=True, exist_ok=True)
            shutil.move(folder, arriving)
            arriving.rename(entry)
        except OSError as error:
            log.info("not kept in the cache", extra={"reason": str(error)})
            shutil.rmtree(arriving, ignore_errors=True)
