"""Virtual environments with older and newer releases of Celery, for tests of foreign applications.

They are kept in `.cache/tools` and made on first use from `<version>.txt`, which pins every package
by its hash. Each holds gevent, eventlet, msgpack and PyYAML as well.
`python -m tests.tools.celery_versions` makes all of them and prints their interpreters.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path
from zlib import crc32

ROOT = Path(__file__).parents[3]
KEPT = ROOT / ".cache" / "tools"
LOCKS = Path(__file__).parent

OLDEST = "5.2.7"
NEWEST = "5.7.0"
VERSIONS = (OLDEST, "5.3.6", "5.5.3", NEWEST)


def python(version: str) -> Path:
    """The interpreter of the environment that holds this release of Celery.

    Raises:
        CalledProcessError: the packages could not be installed.
    """
    lock = LOCKS / f"{version}.txt"
    stamp = f"{crc32(lock.read_bytes()):08x}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = KEPT / f"celery-{version}-{stamp}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"celery-{version}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _make(folder, lock)
    return folder / "bin" / "python"


def _make(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    subprocess.run(
        [
            *(*uv, "pip", "install", "--quiet", "--compile-bytecode"),
            *("--python", folder / "bin" / "python", "--require-hashes", "--requirement", lock),
        ],
        check=True,
    )
    (folder / "complete").touch()
