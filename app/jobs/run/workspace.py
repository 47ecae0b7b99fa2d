"""Where work leaves its files and how it runs its processes, whether a job's or not."""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.errors import InvalidInput, ProcessFailed, RetryableError, StorageUnavailable
from app.jobs.model.work import Work
from app.jobs.run.stop import Stop
from app.worker import process_group

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def folder(temp_dir: Path, key: str) -> Path:
    """The folder of one piece of work, made when it is not there."""
    path = temp_dir.resolve() / folder_name(key)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(f"no folder for temporary files: {error.strerror}") from error
    return path


def remove(work: Work) -> None:
    """Remove the work's folder and its content."""
    shutil.rmtree(work.directory)


@contextmanager
def kept(work: Work) -> Iterator[None]:
    """Keep the folder for the next stage, or for the next attempt of this one.

    When a job has failed, its finalizer removes the folder. A plain Celery task has no finalizer,
    so that its folder goes with its last attempt.
    """
    try:
        yield
    except Exception as error:
        if is_last_attempt(work, error):
            remove(work)
        raise


def is_last_attempt(work: Work, error: Exception) -> bool:
    """Whether plain Celery does not try again after this error. A job has its finalizer."""
    if work.job_id is not None:
        return False
    most = work.settings.jobs.max_attempts
    return not isinstance(error, RetryableError) or work.attempt >= most


def folder_name(key: str) -> str:
    """The key, when it can name a folder, as ids of jobs and Celery's own can; else its digest.

    Clients of Celery may call their tasks what they like, `../..` too.
    """
    return key if _PLAIN_NAME.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()


def checked_name(name: str) -> str:
    """An artifact's name, when it can be one: a file name without a path; else InvalidInput."""
    is_plain = name not in ("", ".", "..") and "/" not in name and name.isprintable()
    if not is_plain or len(name.encode()) > 255:
        raise InvalidInput(f"no name for an artifact: {name!r}")
    return name


def run_process(
    stop: Stop,
    command: Sequence[str],
    *,
    on_line: Callable[[str], None] | None,
    timeout_s: float | None,
) -> str:
    """Run a child that ends when the work is stopped; see `Work.run_process`."""
    stop.check()
    group = process_group.ProcessGroup(command)
    try:
        with stop.covering(group):
            return group.run(on_line=on_line, timeout_s=timeout_s)
    except ProcessFailed:
        stop.check()  # it failed because we ended it
        raise
