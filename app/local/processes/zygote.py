"""A zygote: it imports Celery and the application, then starts workers by forking itself.

A forked worker is ready in 0.1 s (threads) to 0.4 s (prefork), instead of 2 to 3 s for a fresh
process, and shares its memory. The zygote has no threads and no connections, so a fork inherits
nothing that two processes must not share. If a fork would do harm, the child executes a fresh
`celery` instead: for pools that patch the standard library, which must happen before any import,
and for applications whose import starts threads or patches.

A program of its own: `zygote.py SOCKET_FD CELERY_APP MODULES...`. It imports nothing of ours, since
an application may have our package's name, and runs in the application's environment: Python 3.9
or newer, and any supported release of Celery.

Protocol: one JSON object per line over the socket. Requests: `{"id", "arguments", "title",
"environment", "is_forked"}`, with the file descriptor for output as ancillary data, starts `celery
ARGUMENTS`; `{"signal", "pid"}` sends a signal. Answers: first `{"ready": true, "is_warm", "pool",
"queues", "fanout_queues", "version"}` or `{"failed": reason}`, then `{"id", "pid"}` for each start
and `{"exited": pid, "code"}` for each end.
"""

from __future__ import annotations

import contextlib
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
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
COLD = "--cold"

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
"""Modules that every worker imports at its start."""

Become = Callable[[], NoReturn]
"""What a forked child runs after it has left the loop of the zygote."""


class ForkRequest(NamedTuple):
    """A process to start."""

    id: int
    arguments: Sequence[str]
    title: str
    environment: Mapping[str, str]
    """Added to the environment if the process is not forked."""
    is_forked: bool
    output_fd: int


def main(socket_fd: int, celery_app: str, modules: Sequence[str]) -> None:
    die_with(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = socket.socket(fileno=socket_fd)
    try:
        facts = preload(celery_app, modules)
    except BaseException as error:
        send(link, {"failed": f"{type(error).__name__}: {error}"})
        raise
    is_warm = sys.platform == "linux" and threading.active_count() == 1 and not is_patched()
    if not is_warm:
        start_anew(socket_fd, celery_app, facts)
    gc.collect()
    gc.freeze()  # the collector would write to, and so copy, every page that children share
    serve(link, {**facts, "is_warm": True})


def start_anew(socket_fd: int, celery_app: str, facts: Mapping[str, Any]) -> NoReturn:
    """Continue as a fresh process without threads and patches."""
    os.set_inheritable(socket_fd, True)  # noqa: FBT003  # takes no keyword
    arguments = [__file__, str(socket_fd), celery_app, COLD, json.dumps(facts)]
    os.execv(sys.executable, [sys.executable, "-I", *arguments])


def serve(link: socket.socket, facts: Mapping[str, Any]) -> None:
    show_as("celeriac: zygote")
    zygote = Zygote(link, is_warm=facts["is_warm"])
    become = zygote.serve({"ready": True, **facts})
    if become is not None:
        become()


def is_patched() -> bool:
    """Whether gevent or eventlet has patched the standard library."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    return bool(getattr(gevent, "saved", None)) or bool(getattr(eventlet, "already_patched", None))


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when the one that started it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent_pid:
        os._exit(1)  # it died before the request


def preload(celery_app: str, modules: Sequence[str]) -> dict[str, Any]:  # JSON
    """Import the modules, Celery, the application and its tasks; returns facts of the application.

    The modules are imported from Python's own path. After that the working directory comes first,
    as with `python -m celery`.
    """
    for name in (*modules, *_PRELOADED):
        importlib.import_module(name)
    sys.path.insert(0, os.getcwd())
    import celery
    from celery.app.utils import find_app

    application = find_app(celery_app)
    application.finalize()
    application.loader.import_default_modules()
    _create_routed_queues(application)
    queues = application.amqp.queues
    fanout = [name for name in queues if queues[name].exchange.type == "fanout"]
    return {
        "version": celery.__version__,
        "pool": dotted_name(application.conf.worker_pool),
        "queues": [name for name in queues if name not in fanout],
        "fanout_queues": fanout,
    }


def _create_routed_queues(application: Any) -> None:  # a Celery of any release
    """Have Celery create the queues of `task_routes` and `@app.task(queue=...)` that it creates on
    publish, even if `task_queues` does not name them."""
    for name, task in sorted(application.tasks.items()):  # the same order each time
        if name.startswith("celery."):
            continue
        given = {"queue": task.queue} if getattr(task, "queue", None) else {}
        with contextlib.suppress(Exception):  # a custom router may need arguments
            application.amqp.router.route(given, name)


def dotted_name(pool: Any) -> str:  # a name, or a class of the application's
    return pool if isinstance(pool, str) else f"{pool.__module__}:{pool.__qualname__}"


def send(link: socket.socket, message: dict[str, Any]) -> None:  # JSON
    link.sendall(json.dumps(message).encode() + b"\n")


class Zygote:
    """Serves one socket: forks on request, and reaps children."""

    def __init__(self, link: socket.socket, *, is_warm: bool) -> None:
        self._link = link
        self._is_warm = is_warm
        self._children: set[int] = set()
        self._received = b""
        self._fds: list[int] = []

    def serve(self, greeting: dict[str, Any]) -> Become | None:
        """Serve until the parent is gone. Also returns in each forked child, with its work."""
        wakeup, signalled = socket.socketpair()
        for end in (wakeup, signalled):
            end.settimeout(0)
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        send(self._link, greeting)
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

    def _receive(self) -> list[ForkRequest] | None:
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
            ForkRequest(**message, output_fd=self._fds.pop(0))
            for message in messages
            if "arguments" in message
        ]

    def _start(self, request: ForkRequest) -> Become | None:
        zygote_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._link.close()
            for fd in self._fds:  # of later workers
                os.close(fd)
            return lambda: become_celery(request, zygote_pid=zygote_pid, is_warm=self._is_warm)
        os.close(request.output_fd)
        self._children.add(pid)
        send(self._link, {"id": request.id, "pid": pid})
        return None

    def _signal(self, pid: int, number: int) -> None:
        # The child is not reaped yet, so the process id is still its own.
        if pid in self._children:
            os.kill(pid, number)

    def _reap(self) -> None:
        for pid in tuple(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._children.discard(pid)
                send(self._link, {"exited": pid, "code": os.waitstatus_to_exitcode(status)})


def become_celery(request: ForkRequest, *, zygote_pid: int, is_warm: bool) -> NoReturn:
    """Run `celery ARGUMENTS` like a fresh process: own session, own output, default signals."""
    os.setsid()
    die_with(zygote_pid)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # ignored in what a script starts with `&`
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (request.output_fd, 1), (request.output_fd, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(request.output_fd)
    if not (is_warm and request.is_forked):
        program = [sys.executable, "-m", "celery", *request.arguments]
        os.execve(sys.executable, program, {**os.environ, **request.environment})
    _, _, command, *_ = request.arguments  # -A APPLICATION COMMAND
    name_process(f"celery {command}")
    show_as(request.title)
    sys.argv = ["celery", *request.arguments]
    gc.unfreeze()
    from celery.__main__ import main as celery

    sys.exit(celery())


def name_process(name: str) -> None:
    """Set the name that `top` and `ps -o comm` show instead of "python"."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15])


def show_as(title: str) -> None:
    """Set the title that `ps` shows instead of our command line, if proc(5) gives its address.

    setproctitle does the same, but may be missing in the application's environment. If it is
    installed, Celery sets titles of its own later.
    """
    if sys.platform != "linux":
        return
    with open("/proc/self/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    length = end - start
    if start > 0 and length > 0:
        ctypes.memmove(start, title.encode()[: length - 1].ljust(length, b"\0"), length)


if __name__ == "__main__":
    if sys.argv[3:4] == [COLD]:
        die_with(os.getppid())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        serve(socket.socket(fileno=int(sys.argv[1])), {**json.loads(sys.argv[4]), "is_warm": False})
    else:
        main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
