"""A module for a sandboxed child: does what its first argument says, prints the outcome."""

import ctypes
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PTRACE_SEIZE = 0x4206
CLONE_NEWUSER = 0x10000000


def connect(port: str) -> None:
    socket.create_connection(("127.0.0.1", int(port)), timeout=10).close()


def write(path: str) -> None:
    Path(path).write_text("written")


def read(path: str) -> None:
    Path(path).read_bytes()


def list_folder(path: str) -> None:
    os.listdir(path)


def signal_process(pid: str) -> None:
    os.kill(int(pid), 0)


def limit_process(pid: str) -> None:
    resource.prlimit(int(pid), resource.RLIMIT_CORE)


def trace(pid: str) -> None:
    _succeeds(_libc().ptrace(PTRACE_SEIZE, int(pid), 0, 0))


def new_namespace(_: str) -> None:
    _succeeds(_libc().unshare(CLONE_NEWUSER))


def start_program(path: str) -> None:
    subprocess.run([path], check=True)


def own_status(_: str) -> None:
    lines = Path("/proc/self/status").read_text().splitlines()
    sys.stdout.write(json.dumps({"status": [line.split() for line in lines]}) + "\n")


def own_environment(_: str) -> None:
    entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    sys.stdout.write(json.dumps({"names": [entry.decode().split("=")[0] for entry in entries]}))
    sys.stdout.write("\n")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _succeeds(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


ATTEMPTS: dict[str, Callable[[str], None]] = {
    attempt.__name__: attempt
    for attempt in (
        *(connect, write, read, list_folder, signal_process, limit_process, trace),
        *(new_namespace, start_program, own_status, own_environment),
    )
}

if __name__ == "__main__":
    try:
        ATTEMPTS[sys.argv[1]](sys.argv[2])
        answer = "done"
    except PermissionError:
        answer = "refused"
    sys.stdout.write(json.dumps({"answer": answer}) + "\n")
