"""The worker's side of the readers: run one in a child process and receive what it prints."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app import errors
from app.documents import items
from app.documents.items import Item, Refusal
from app.errors import CeleriacError, InvalidInput, ProcessFailed
from app.worker import limits
from app.worker.limits import RunProcess
from app.worker.sandbox.policy import Sandbox

_REFUSALS: dict[str, type[CeleriacError]] = {
    error.__name__: error
    for error in (
        errors.InvalidInput,
        errors.LimitExceeded,
        errors.PasswordNeeded,
        errors.StorageUnavailable,
        errors.UnsupportedFormat,
    )
}
"""Every error that a reader may refuse a file with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What a reader may use."""

    memory_bytes: int
    """Of address space."""
    cpu_s: int
    timeout_s: float


def read_items(
    program: str,
    arguments: Sequence[str],
    *,
    on_item: Callable[[Item], None],
    child_limits: ChildLimits,
    sandbox: Sandbox,
    run: RunProcess,
    what: str = "document",
) -> None:
    """Run a reader to its end; `on_item` receives each item, and what it raises ends the reader.

    Raises InvalidInput when the reader crashes on the file, LimitExceeded, and what `run` raises to
    stop.
    """
    try:
        limits.run_limited(
            program,
            arguments,
            memory_bytes=child_limits.memory_bytes,
            cpu_s=child_limits.cpu_s,
            timeout_s=child_limits.timeout_s,
            on_line=lambda line: on_item(items.from_json(line)),
            sandbox=sandbox,
            run=run,
        )
    except (ProcessFailed, json.JSONDecodeError) as error:
        raise InvalidInput(f"the {what} is damaged: reading it crashed the reader") from error


def refused(refusal: Refusal, *, subject: str = "") -> CeleriacError:
    """The error that a refusal stands for; `subject` names the file in its message."""
    return _REFUSALS.get(refusal.error, InvalidInput)(f"{subject}{refusal.message}")
