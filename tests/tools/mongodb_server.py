"""A server that speaks MongoDB's protocol: FerretDB over SQLite, built from its Go module.

The program is built once, of `mongodb/`, and kept in `.cache/tools` under the digest of what it
was built from: a minute and a half on 2 cores when nothing of it is there yet.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port

SOURCES = Path(__file__).with_name("mongodb")
KEPT = Path(__file__).parents[2] / ".cache" / "tools"
SOURCE_FILES = ("go.mod", "go.sum", "main.go")
GO_AT_LEAST = (1, 21)
"""From there on Go fetches, as a module, the version that `go.mod` asks for."""

INSTALL_S = 600
START_S = 30
_GO_FOLDERS = ("/usr/local/go/bin", "/usr/lib/go/bin")


class ServerMissing(Exception):
    """It cannot be had here; the message says how to get it."""


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """The URL of an empty server that runs until the block ends. Raises ServerMissing."""
    server, port = program(), free_port()
    with tempfile.TemporaryDirectory(prefix="celeriac-mongodb-") as folder:
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(server), f"127.0.0.1:{port}", folder], stdout=output, stderr=output
            )
        try:
            _wait(process, port, log)
            yield f"mongodb://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def program() -> Path:
    """The server's program, built on first use. Raises ServerMissing."""
    digest = hashlib.sha256()
    for name in SOURCE_FILES:
        digest.update((SOURCES / name).read_bytes())
    kept = KEPT / f"ferretdb-{digest.hexdigest()[:16]}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "ferretdb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_file():
            _build(kept)
    return kept


def _build(target: Path) -> None:
    go = _go()
    with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
        made = Path(scratch, "ferretdb")
        done = subprocess.run(
            [go, "build", "-buildvcs=false", "-ldflags=-s -w", "-o", str(made), "."],
            cwd=SOURCES,
            env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=readonly"},
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
        )
        if done.returncode != 0:
            raise ServerMissing(f"FerretDB could not be built: {done.stderr.strip()[-500:]}")
        made.rename(target)


def _go() -> str:
    """A Go that is recent enough, installed from Debian's package where root may do so."""
    found = _recent_go()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "golang-go"]):
            subprocess.run(
                ["apt-get", "--quiet", *command],
                env=environment,
                capture_output=True,
                timeout=INSTALL_S,
                check=False,  # what counts is whether the program is there afterwards
            )
        found = _recent_go()
    if found is None:
        wanted = ".".join(map(str, GO_AT_LEAST))
        raise ServerMissing(f"a MongoDB server is built by Go >= {wanted}: put one on PATH")
    return found


def _recent_go() -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_GO_FOLDERS])
    go = shutil.which("go", path=path)
    if go is None:
        return None
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True).stdout
    version = re.search(r"go(\d+)\.(\d+)", said)
    is_recent = version is not None and (int(version[1]), int(version[2])) >= GO_AT_LEAST
    return go if is_recent else None


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import pymongo
    from pymongo.errors import ConnectionFailure

    deadline = time.monotonic() + START_S
    with pymongo.MongoClient[dict[str, object]](
        "127.0.0.1", port, serverSelectionTimeoutMS=200
    ) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(ConnectionFailure):
                client.admin.command("ping")
                return
    raise ServerMissing(f"FerretDB did not start: {log.read_text(errors='replace')[-500:]}")
