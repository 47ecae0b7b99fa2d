"""Runs programs: one place for environment, errors and waiting."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.cluster.boot.errors import BootError

# Debian keeps etcd's and the network's tools where an ordinary user's PATH does not look.
_SYSTEM_FOLDERS = ("/usr/local/go/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment with the system folders on PATH and `extra` on top."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])
    return {**os.environ, "PATH": path, **(extra or {})}


def run(
    *command: str | Path,
    stdin: str | None = None,
    folder: Path | None = None,
    extra: Mapping[str, str] | None = None,
    timeout_s: float = 1800,
) -> str:
    """Run a program to its end and return what it wrote to standard output.

    Raises `BootError` with the end of its error output when it fails.
    """
    words = [str(word) for word in command]
    try:
        finished = subprocess.run(
            words,
            input=stdin,
            cwd=folder,
            env=environment(extra),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise BootError(f"{words[0]}: {exc}") from exc
    if finished.returncode != 0:
        tail = "\n".join((finished.stderr or finished.stdout).strip().splitlines()[-15:])
        raise BootError(f"`{' '.join(words)}` failed: {tail}")
    return finished.stdout


def succeeds(*command: str | Path, timeout_s: float = 10) -> bool:
    """Whether a program ends well; a missing program or a silent one does not."""
    try:
        run(*command, timeout_s=timeout_s)
    except BootError:
        return False
    return True


def until(what: str, is_done: Callable[[], bool], *, deadline_s: float, hint: str = "") -> None:
    """Wait for a condition; raises `BootError` naming `what` when the deadline passes."""
    ends_at = time.monotonic() + deadline_s
    while not is_done():
        if time.monotonic() > ends_at:
            raise BootError(f"{what} did not happen within {deadline_s:.0f} s {hint}".rstrip())
        time.sleep(0.05)


def tell(line: str) -> None:
    """Say on standard error what takes time; standard output is for results."""
    sys.stderr.write(f"cluster: {line}\n")
    sys.stderr.flush()
