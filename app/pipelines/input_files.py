"""The file that a job works on: an upload, or a file under STORAGE_DIR."""

from pathlib import Path

from app.jobs.model.job import JobId
from app.jobs.model.work import Work
from app.pipelines import disk


def fetch(work: Work, target: Path, *, upload_id: str | None, path: str | None) -> Path:
    """Copy the file to `target`: it may be in an object store, or change meanwhile.

    Raises NotFound, and InvalidInput for a path outside of STORAGE_DIR.
    """
    if upload_id is not None:
        return work.stores.uploads.fetch(upload_id, target)
    root = work.settings.files.storage_dir.resolve()
    key = disk.confined(root, path or "").relative_to(root)
    _check_owner(work, key)
    return work.stores.artifacts.fetch(key.as_posix(), target)


def _check_owner(work: Work, key: Path) -> None:
    """Raises NotFound for what belongs to another owner's upload or job. All other files are the
    operator's, who put them there for everybody."""
    match key.parts:
        case ("uploads", upload_id, *_):
            work.stores.uploads.get(upload_id)
        case ("jobs", job_id, *_):
            work.jobs.get(JobId(job_id))


def name_of(work: Work, *, upload_id: str | None, path: str | None) -> str:
    """Name of the file. Raises NotFound."""
    if upload_id is not None:
        return work.stores.uploads.get(upload_id).filename
    return Path(path or "").name
