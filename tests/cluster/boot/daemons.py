"""Starts and stops single daemons of the cluster."""

import os
import signal

from tests.cluster.boot import control_groups, shell
from tests.cluster.boot.configuration import Daemon
from tests.cluster.boot.errors import BootError
from tests.cluster.boot.layout import Layout

# The shell joins the control group and leaves its pid before it becomes the daemon, so that no
# moment exists in which a started daemon is unknown.
_LAUNCH = 'echo $$ > "$1" && echo $$ > "$2" && log=$3 && shift 3 && exec "$@" >> "$log" 2>&1'


def start(layout: Layout, daemon: Daemon) -> None:
    """Start a daemon that outlives this process."""
    pid_file = layout.pids / daemon.name
    pid_file.unlink(missing_ok=True)
    log = layout.logs / f"{daemon.name}.log"
    words = ("setsid", "--fork", "sh", "-c", _LAUNCH, "sh", control_groups.daemons_file())
    shell.run(*words, pid_file, log, *daemon.command, folder=layout.state)
    shell.until(f"the start of {daemon.name}", pid_file.exists, deadline_s=10)


def stop(layout: Layout, name: str, *, patience_s: float) -> None:
    """Ask a daemon to end, and end it when its patience is over; 0 kills at once."""
    pid = _pid(layout, name)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    try:
        shell.until(name, lambda: not control_groups.holds(pid), deadline_s=patience_s)
    except BootError:
        os.kill(pid, signal.SIGKILL)
        shell.until(f"the end of {name}", lambda: not control_groups.holds(pid), deadline_s=10)


def is_running(layout: Layout, name: str) -> bool:
    """Whether the process that the pid file names lives and is ours."""
    return _pid(layout, name) is not None


def log_tail(layout: Layout, name: str) -> str:
    """The last lines of a daemon's log, for an error message."""
    log = layout.logs / f"{name}.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else ""


def _pid(layout: Layout, name: str) -> int | None:
    try:
        pid = int((layout.pids / name).read_text())
    except (OSError, ValueError):
        return None
    return pid if control_groups.holds(pid) else None
