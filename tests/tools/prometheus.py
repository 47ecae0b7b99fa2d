"""prometheus and promtool: those on PATH; installed from Debian's package where root may do so."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

PACKAGE = "prometheus"
INSTALL_S = 300


class PrometheusMissing(Exception):
    """It cannot be had here; the message says how to get it."""


@functools.cache
def path(name: str) -> Path:
    """The program's path. Raises PrometheusMissing."""
    if shutil.which(name) is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        _install()
    found = shutil.which(name)
    if found is None:
        raise PrometheusMissing(f"{name} is not on PATH: apt-get install {PACKAGE}")
    return Path(found)


def _install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", PACKAGE]):
        subprocess.run(
            ["apt-get", "--quiet", *command],
            env=environment,
            capture_output=True,
            timeout=INSTALL_S,
            check=False,  # what counts is whether the program is there afterwards
        )
