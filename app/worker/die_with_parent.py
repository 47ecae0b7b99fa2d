"""Runs one command and dies with the process that started it, taking everything along.

A program, run as `python -I -S die_with_parent.py PARENT_PID CONFINEMENT COMMAND...`: the calling
process may have threads, and so runs no code between its fork and its exec. CONFINEMENT is the JSON
of the command's sandbox, or empty. It is started as the leader of a
new session. It ends as the command ends: with its exit code, or by the same signal.

When the parent dies, by kill -9 too, the kernel sends us `PARENT_DIED` (prctl(2),
PR_SET_PDEATHSIG); we then kill our whole process group, grandchildren included.
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

PR_SET_PDEATHSIG = 1
PARENT_DIED = signal.SIGHUP
NOT_FOUND = 127
"""A shell's exit code for a command that cannot be run."""
NOT_CONFINED = 125
"""The exit code when the sandbox cannot be set up."""

ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> NoReturn:
    parent, confinement, *command = arguments
    signal.signal(PARENT_DIED, _kill_group)
    _ask_for_signal_at_death_of_parent(PARENT_DIED)
    if os.getppid() != int(parent):
        _kill_group()
    pid = os.fork()
    if pid == 0:
        _become(command, confinement)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the command gets them too, and decides
    _, status = os.waitpid(pid, 0)
    _end_like(os.waitstatus_to_exitcode(status))


def _become(command: list[str], sandbox: str) -> NoReturn:
    signal.signal(PARENT_DIED, signal.SIG_DFL)
    if sandbox:
        _confine(sandbox)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(NOT_FOUND)


def _confine(sandbox: str) -> None:
    sys.path.insert(0, str(ROOT))
    from app.worker.sandbox import confinement  # only where one is wanted: it costs milliseconds

    try:
        confinement.apply(sandbox, process_id=os.getpid())
    except OSError as error:
        os.write(2, f"the sandbox cannot be set up: {error}\n".encode())
        os._exit(NOT_CONFINED)


def _ask_for_signal_at_death_of_parent(number: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number))


def _kill_group(_number: int = 0, _frame: FrameType | None = None) -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _end_like(exit_code: int) -> NoReturn:
    if exit_code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -exit_code != signal.SIGKILL:
            signal.signal(-exit_code, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    os._exit(exit_code)


if __name__ == "__main__":
    main(sys.argv[1:])
