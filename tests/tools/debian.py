"""Programs of Debian's packages: those on PATH; installed where root may do so."""

import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

INSTALL_S = 300


class ProgramMissing(Exception):
    """It cannot be had here; the message says how to get it."""


@functools.cache
def program(name: str, *, package: str | None = None) -> Path:
    """The program's path. `package` is the name of its package, where that is another one.

    Raises ProgramMissing.
    """
    wanted = package if package is not None else name
    if shutil.which(name) is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        _install(wanted)
    found = shutil.which(name)
    if found is None:
        raise ProgramMissing(f"{name} is not on PATH: apt-get install {wanted}")
    return Path(found)


def _install(package: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Tests run side by side, and the package manager refuses a second one.
    with Path(tempfile.gettempdir(), "celeriac-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            subprocess.run(
                ["apt-get", "--quiet", *command],
                env=environment,
                capture_output=True,
                timeout=INSTALL_S,
                check=False,  # what counts is whether the program is there afterwards
            )
