"""A process that has imported Celery and the application, and makes workers by forking itself.

A worker so made takes work in 0.1 s (threads) to 0.4 s (prefork), in place of 2 to 3 s for one that
starts from nothing, and shares its memory. The zygote runs no thread and opens no connection, so
that a fork takes along nothing that two processes must not share. An application whose import does
start threads is never forked: its workers then start from nothing.

A program of its own, run as `python zygote.py SOCKET_FD CELERY_APP MODULES...`. It imports nothing
of ours, since somebody's application may be called like us.

Protocol, a JSON object a line over the socket. Requests: `{"id", "arguments"}` with the file
descriptor for output as ancillary data starts `celery ARGUMENTS`; `{"signal", "pid"}`.
Answers: once `{"ready": true, "is_warm"}` or `{"failed": reason}`, then `{"id", "pid"}` for each
start and `{"exited": pid, "code"}` for each end.
"""

import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15

_REQUEST_LIMIT_BYTES = 65_536

_PRELOADED = (
    "celery.app.amqp",
    "celery.app.log",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.bin.celery",
    "celery.concurrency.asynpool",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "celery.worker.control",
    "celery.worker.strategy",
    "kombu.transport.redis",
)
"""What every worker imports when it starts."""

Become = Callable[[], NoReturn]
"""What a forked child does once it has left the loop of the zygote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A worker to start."""

    id: int
    arguments: Sequence[str]
    output_fd: int


def main(socket_fd: int, celery_app: str, modules: Sequence[str]) -> None:
    die_with(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = socket.socket(fileno=socket_fd)
    try:
        preload(celery_app, modules)
    except BaseException as error:
        send(link, {"failed": f"{type(error).__name__}: {error}"})
        raise
    is_warm = sys.platform == "linux" and threading.active_count() == 1
    gc.collect()
    gc.freeze()  # the collector would write to, and so copy, every page that children share
    zygote = Zygote(link, is_warm=is_warm)
    become = zygote.serve()
    if become is not None:
        become()


def die_with(parent_pid: int) -> None:
    """Have the kernel end this process with the one that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent_pid:
        os._exit(1)  # it was gone before we asked


def preload(celery_app: str, modules: Sequence[str]) -> None:
    """Import the modules, Celery, the application and its tasks.

    The modules come first, from where Python's own path leads. Then the working directory comes
    before everything else, as with `python -m celery`.
    """
    for name in (*modules, *_PRELOADED):
        importlib.import_module(name)
    sys.path.insert(0, os.getcwd())
    from celery.app.utils import find_app

    application = find_app(celery_app)
    application.finalize()
    application.loader.import_default_modules()


def send(link: socket.socket, message: dict[str, Any]) -> None:  # JSON
    link.sendall(json.dumps(message).encode() + b"\n")


class Zygote:
    """Serves one socket; forks when asked, reaps what has ended."""

    def __init__(self, link: socket.socket, *, is_warm: bool) -> None:
        self._link = link
        self._is_warm = is_warm
        self._children: set[int] = set()
        self._received = b""
        self._fds: list[int] = []

    def serve(self) -> Become | None:
        """Return in a forked child, with what it has to do; else when the parent is gone."""
        wakeup, signalled = socket.socketpair()
        for end in (wakeup, signalled):
            end.settimeout(0)
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        send(self._link, {"ready": True, "is_warm": self._is_warm})
        with selectors.DefaultSelector() as selector:
            selector.register(self._link, selectors.EVENT_READ)
            selector.register(wakeup, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if wakeup in ready:
                    wakeup.recv(4096)
                    self._reap()
                if self._link in ready:
                    requests = self._receive()
                    if requests is None:
                        return None
                    for request in requests:
                        become = self._start(request)
                        if become is not None:
                            return become

    def _receive(self) -> list[Request] | None:
        data, fds, _, _ = socket.recv_fds(self._link, _REQUEST_LIMIT_BYTES, 16)
        if not data:
            return None
        self._fds += fds
        *lines, self._received = (self._received + data).split(b"\n")
        messages = [json.loads(line) for line in lines]
        for message in messages:
            if "signal" in message:
                self._signal(message["pid"], message["signal"])
        return [
            Request(id=message["id"], arguments=message["arguments"], output_fd=self._fds.pop(0))
            for message in messages
            if "arguments" in message
        ]

    def _start(self, request: Request) -> Become | None:
        zygote_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._link.close()
            for fd in self._fds:  # of workers that come after this one
                os.close(fd)
            return lambda: become_celery(request, zygote_pid=zygote_pid, is_warm=self._is_warm)
        os.close(request.output_fd)
        self._children.add(pid)
        send(self._link, {"id": request.id, "pid": pid})
        return None

    def _signal(self, pid: int, number: int) -> None:
        # Not reaped yet, so the number is still this child's.
        if pid in self._children:
            os.kill(pid, number)

    def _reap(self) -> None:
        for pid in tuple(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._children.discard(pid)
                send(self._link, {"exited": pid, "code": os.waitstatus_to_exitcode(status)})


def become_celery(request: Request, *, zygote_pid: int, is_warm: bool) -> NoReturn:
    """Run `celery ARGUMENTS` as if started anew: own session, own output, signals as usual."""
    os.setsid()
    die_with(zygote_pid)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (request.output_fd, 1), (request.output_fd, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(request.output_fd)
    if not is_warm:
        os.execv(sys.executable, [sys.executable, "-m", "celery", *request.arguments])
    _, _, command, *_ = request.arguments  # -A APPLICATION COMMAND
    _rename(f"celery {command}")
    sys.argv = ["celery", *request.arguments]
    gc.unfreeze()
    from celery.__main__ import main as celery

    sys.exit(celery())


def _rename(name: str) -> None:
    """What `top` and `ps -o comm` show in place of "python"."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
