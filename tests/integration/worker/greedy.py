"""A module for a limited child: does what its argument says."""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable


def modest() -> None:
    sys.stdout.write(json.dumps({"arguments": sys.argv[1:]}) + "\n")
    sys.stdout.write(json.dumps({"second": "line"}) + "\n")


def memory() -> None:
    kept = [bytearray(64 * 1024 * 1024) for _ in range(100)]
    raise ValueError(f"got {len(kept)} pieces")


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def cpu() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(1000)


def file() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    with tempfile.TemporaryFile() as huge:
        huge.truncate(2 * 1024**3)


def error() -> None:
    raise ValueError("no good")


ACTS: dict[str, Callable[[], None]] = {
    "modest": modest,
    "memory": memory,
    "abort": os.abort,
    "killed": killed,
    "cpu": cpu,
    "sleep": sleep,
    "file": file,
    "error": error,
}

if __name__ == "__main__":
    ACTS[sys.argv[1]]()
