"""The workspace and the processes of a stage, with a job or without."""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.errors import (
    InvalidInput,
    NotConfigured,
    ProcessFailed,
    RetryableError,
    StorageUnavailable,
)
from app.jobs.model.signing import MessageSigner
from app.jobs.model.work import Work
from app.jobs.run.stop import Stop
from app.settings.worker import SandboxMode
from app.worker import die_with_parent, process_group
from app.worker.sandbox import policy
from app.worker.sandbox.policy import Sandbox

_PURPOSE, _SEPARATOR = "workspace", ":"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def folder(temp_dir: Path, key: str) -> Path:
    """The folder of a job, created if it does not exist."""
    return _created(temp_dir.resolve() / folder_name(key))


def plain_folder(temp_dir: Path, key: str) -> Path:
    """The folder of a plain task, created if it does not exist. Clients choose the ids of their
    tasks, therefore it never is the folder of a job or one of the platform's own."""
    return _created(temp_dir.resolve() / f"plain-{folder_name(key)}")


def handed_key(key: str, signer: MessageSigner) -> str:
    """The key as one task of a chain hands it to the next."""
    return f"{signer.sign(_PURPOSE, key)}{_SEPARATOR}{key}"


def key_of(handed: object, signer: MessageSigner) -> str | None:
    """The key that a task of a chain has handed on; None for anything else."""
    if not isinstance(handed, str):
        return None
    signature, separator, key = handed.partition(_SEPARATOR)
    is_ours = bool(separator and key) and signer.is_signed(signature, _PURPOSE, key)
    return key if is_ours else None


def _created(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(f"no folder for temporary files: {error.strerror}") from error
    return path


def remove(work: Work) -> None:
    """Remove the workspace and its content."""
    shutil.rmtree(work.directory)


@contextmanager
def kept(work: Work) -> Iterator[None]:
    """Keep the workspace for the next stage, or for the next attempt.

    The finalizer of a failed job removes it. A plain task has no finalizer, so its last attempt
    removes it.
    """
    try:
        yield
    except Exception as error:
        if is_last_attempt(work, error):
            remove(work)
        raise


def is_last_attempt(work: Work, error: Exception) -> bool:
    """Whether a plain task is not retried after this error. False for a job: it has a finalizer."""
    if work.job_id is not None:
        return False
    most = work.settings.jobs.max_attempts
    return not isinstance(error, RetryableError) or work.attempt >= most


def folder_name(key: str) -> str:
    """The key if it can name a folder, as ids of jobs and Celery's can; else its digest.

    Clients of Celery choose the ids of their tasks, even `../..`.
    """
    return key if _PLAIN_NAME.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()


def checked_name(name: str) -> str:
    """The name, if it is a file name without a path. Raises InvalidInput."""
    is_plain = name not in ("", ".", "..") and "/" not in name and name.isprintable()
    if not is_plain or len(name.encode()) > 255:
        raise InvalidInput(f"not a name for an artifact: {name!r}")
    return name


def run_process(
    stop: Stop,
    command: Sequence[str],
    *,
    on_line: Callable[[str], None] | None,
    timeout_s: float | None,
    sandbox: Sandbox | None,
    mode: SandboxMode,
) -> str:
    """Run a child that ends when the work is stopped; see `Work.run_process`."""
    stop.check()
    confinement = policy.confinement_of(sandbox, command, mode=mode) if sandbox is not None else ""
    group = process_group.ProcessGroup(command, confinement=confinement)
    try:
        with stop.covering(group):
            return group.run(on_line=on_line, timeout_s=timeout_s)
    except ProcessFailed as error:
        stop.check()  # it failed because we ended it
        if confinement and error.exit_code == die_with_parent.NOT_CONFINED:
            raise NotConfigured(error.output_end.strip()) from error
        raise
