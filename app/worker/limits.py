"""Runs a Python module on untrusted files in a child process with limits."""

import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from app.errors import LimitExceeded, ProcessFailed, ProcessTimedOut
from app.settings.worker import WorkerSettings
from app.worker import limited, process_group
from app.worker.sandbox import policy
from app.worker.sandbox.policy import Sandbox

LIMITED = Path(limited.__file__)

KILLED_BY_LIMIT = {
    signal.SIGXCPU: "more processor time than it may",
    signal.SIGPROF: "more processor time for one page than it may",
    signal.SIGXFSZ: "a larger file than it may write",
    signal.SIGKILL: "more memory than there is",
}

CRASHES = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGTRAP, signal.SIGILL})
"""Signals by which libraries end when they run out of memory."""

FILE_LIMIT_BYTES = 1024**3


class RunProcess(Protocol):
    """`Work.run_process`, or a compatible function."""

    def __call__(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
        sandbox: Sandbox | None = None,
    ) -> str: ...


def run_process(
    command: Sequence[str],
    *,
    on_line: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
    sandbox: Sandbox | None = None,
) -> str:
    """Run a command that cannot be cancelled; see `ProcessGroup.run`."""
    confinement = ""
    if sandbox is not None:
        confinement = policy.confinement_of(sandbox, command, mode=WorkerSettings().sandbox)
    group = process_group.ProcessGroup(command, confinement=confinement)
    return group.run(on_line=on_line, timeout_s=timeout_s)


def run_limited(
    module: str,
    arguments: Sequence[str],
    *,
    memory_bytes: int,
    cpu_s: int,
    timeout_s: float,
    on_line: Callable[[dict[str, Any]], None],  # a JSON object
    sandbox: Sandbox,
    run: RunProcess = run_process,
) -> None:
    """Run `python -m module arguments...` within limits; each line that it prints is a JSON object.

    Memory is counted as address space. Pass `work.run_process` as `run`, so that the child ends
    with the work.

    Raises:
        LimitExceeded: it needs more memory, processor time or time.
        ProcessFailed: it ended with an error.
    """
    rlimits = {
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_CPU": cpu_s,
        "RLIMIT_FSIZE": FILE_LIMIT_BYTES,
        "RLIMIT_CORE": 0,
    }
    options = json.dumps(rlimits)
    try:
        run(
            [sys.executable, str(LIMITED), options, module, *arguments],
            on_line=lambda line: on_line(json.loads(line)),
            timeout_s=timeout_s,
            sandbox=sandbox,
        )
    except ProcessFailed as error:
        reason = limit_reached(error)
        if reason is None:
            raise
        raise LimitExceeded(f"the file needs {reason}") from error


def limit_reached(error: ProcessFailed) -> str | None:
    """The limit that ended the child, as text; `None` if it failed for another reason."""
    if isinstance(error, ProcessTimedOut):
        return "more time than it may take"
    if -error.exit_code in KILLED_BY_LIMIT:
        return KILLED_BY_LIMIT[signal.Signals(-error.exit_code)]
    if error.exit_code == limited.OUT_OF_MEMORY or -error.exit_code in CRASHES:
        return "more memory than it may"
    return None
