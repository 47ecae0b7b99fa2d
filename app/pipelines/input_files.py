"""The file that a job works on: an upload, or a file under STORAGE_DIR."""

from pathlib import Path

from app.jobs.model.work import Work
from app.pipelines import disk


def fetch(work: Work, target: Path, *, upload_id: str | None, path: str | None) -> Path:
    """Copy the file to `target`: it may be in an object store, or change meanwhile.

    Raises NotFound, and InvalidInput for a path outside of STORAGE_DIR.
    """
    if upload_id is not None:
        return work.stores.uploads.fetch(upload_id, target)
    root = work.settings.files.storage_dir.resolve()
    key = disk.confined(root, path or "").relative_to(root).as_posix()
    return work.stores.artifacts.fetch(key, target)


def name_of(work: Work, *, upload_id: str | None, path: str | None) -> str:
    """Name of the file. Raises NotFound."""
    if upload_id is not None:
        return work.stores.uploads.get(upload_id).filename
    return Path(path or "").name
