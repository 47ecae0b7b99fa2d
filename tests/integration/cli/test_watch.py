import contextlib
import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.integration import serving
from tests.integration.api import asking
from tests.integration.api.asking import ALL_QUEUES, JOBS, PROBE_APP
from tests.integration.command_line import CommandLine
from tests.integration.processes import StartWorker
from tests.integration.serving import Server
from tests.ports import free_port
from tests.waiting import eventually


@contextlib.contextmanager
def started(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize(
    ("plan", "code", "ending"),
    [
        pytest.param({}, 0, "succeeded", id="done"),
        pytest.param({"second": ["permanent"]}, 1, "failed: PermanentError: never", id="failed"),
    ],
)
def test_watch_ends_with_the_job(
    celeriac: CommandLine,
    server: Server,
    start_worker: StartWorker,
    plan: dict[str, list[str]],
    code: int,
    ending: str,
) -> None:
    start_worker(ALL_QUEUES, app=PROBE_APP)
    job_id = asking.submit(server.http, plan=plan)["id"]
    done = celeriac.run("jobs", "watch", job_id)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.splitlines()[-1] == f"probe {job_id} {ending}"


def test_submit_can_wait(celeriac: CommandLine, start_worker: StartWorker) -> None:
    start_worker(ALL_QUEUES, app=PROBE_APP)
    done = celeriac.run("jobs", "submit", "probe", "--wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.rstrip().endswith("succeeded")


def test_ctrl_c_leaves_the_job_alone(celeriac: CommandLine, server: Server) -> None:
    job_id = asking.submit(server.http)["id"]
    with started(celeriac.command("jobs", "watch", job_id)) as watching:
        assert first_line(watching) == "queued probe_first\n"
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=20) == 130
    assert server.http.get(f"{JOBS}/{job_id}").json()["state"] == "queued"


def test_watch_outlives_a_restart_of_the_api(environment: dict[str, str]) -> None:
    port = free_port()
    platform = serving.platform_from_environment()
    with contextlib.ExitStack() as watchers:
        with serving.serve(platform, port=port) as before:
            job_id = asking.submit(before.http)["id"]
            command = CommandLine(before.url).command("jobs", "watch", job_id)
            watching = watchers.enter_context(started(command))
            assert first_line(watching) == "queued probe_first\n"
        assert watching.poll() is None
        with serving.serve(platform, port=port) as after:
            after.http.post(f"{JOBS}/{job_id}:cancel")
            out, err = watching.communicate(timeout=30)
    assert (watching.returncode, err) == (1, "")
    assert out.splitlines()[-1] == f"probe {job_id} cancelled"


def test_a_terminal_shows_a_bar(
    celeriac: CommandLine, server: Server, start_worker: StartWorker
) -> None:
    """The worker starts last, so that the command sees every stage."""
    job_id = asking.submit(server.http, plan={"second": ["spin:1"]})["id"]
    leader, follower = pty.openpty()
    watching = subprocess.Popen(
        celeriac.command("jobs", "watch", job_id),
        stdout=follower,
        stderr=follower,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(follower)
    seen = bytearray()
    reader = threading.Thread(target=_read_on, args=(leader, seen))
    reader.start()
    eventually(lambda: b"queued" in seen, why="it watches")
    start_worker(ALL_QUEUES, app=PROBE_APP)
    assert watching.wait(timeout=90) == 0
    reader.join(timeout=20)
    os.close(leader)
    shown = seen.decode(errors="replace")
    assert "probe_second" in shown
    assert "%" in shown
    assert f"probe {job_id} succeeded" in shown


def _read_on(leader: int, seen: bytearray) -> None:
    """Until the other end is closed: the command is over."""
    with contextlib.suppress(OSError):
        while part := os.read(leader, 65536):
            seen += part
