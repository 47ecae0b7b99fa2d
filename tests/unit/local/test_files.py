"""The data folder, log files, ports, the environment and the watch over code."""

import asyncio
import doctest
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import CeleriacError
from app.local import console, local_platform, valkey
from app.local.data_dir import DataDir, DataDirInUse
from app.local.plan import run_plan
from app.local.processes import supervision
from app.local.processes.celery_processes import LogFile, OutputPipe, ProcessOutputs
from app.settings.messages import SHORTEST_KEY
from tests.waiting import eventually_async


@pytest.mark.parametrize("module", [supervision, console, run_plan])
def test_examples_in_docstrings_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module it is


HOLD_LOCK = """
import sys
from pathlib import Path
from app.local.data_dir import DataDir
with DataDir(path=Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_locked_folder_is_refused_with_its_owner(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"locked\n"

        with (
            pytest.raises(DataDirInUse, match=rf"\(pid {owner.pid}\) already runs in"),
            DataDir(path=tmp_path).locked(),
        ):
            pass

    with DataDir(path=tmp_path).locked():
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(CeleriacError, match=r"cannot use .* as data folder"),
        DataDir(path=tmp_path / "file").locked(),
    ):
        pass


@pytest.mark.parametrize("text", ["", "[]", '{"broker": "x"}', "{"])
def test_a_spoilt_memory_of_ports_is_forgotten(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text)

    assert DataDir(path=tmp_path).remembered() == {}


def test_ports_are_remembered(tmp_path: Path) -> None:
    DataDir(path=tmp_path).remember({"broker": 7})

    assert DataDir(path=tmp_path).remembered() == {"broker": 7}


def test_a_preferred_port_is_taken_when_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert run_plan.free_port("127.0.0.1", preferred=taken) != taken
    assert run_plan.free_port("127.0.0.1", preferred=taken) == taken


@pytest.mark.parametrize(
    ("host", "complaint"),
    [
        pytest.param("192.0.2.1", "cannot listen on 192.0.2.1:1", id="not an address of ours"),
        pytest.param("no.such.host.invalid", "cannot listen on", id="no address at all"),
    ],
)
def test_where_nobody_can_listen_is_said(host: str, complaint: str) -> None:
    with pytest.raises(CeleriacError, match=complaint):
        run_plan.claim_port(host, 1)


def test_a_log_file_begins_anew_when_it_is_full(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs" / "x.log", limit_bytes=10)
    for line in (b"first line\n", b"second line\n", b"third\n"):
        log.write(line)
    log.close()

    assert log.path.read_bytes() == b"third\n"
    assert log.path.with_name("x.log.1").read_bytes() == b"second line\n"


def test_output_is_kept_whole_and_read_by_lines(tmp_path: Path) -> None:
    lines: list[str] = []

    async def scenario() -> None:
        log = LogFile(tmp_path / "x.log")
        pipe = OutputPipe(log, on_line=lines.append)
        for part in (b"one\ntw", b"o\n\xff\nunfinished"):
            os.write(pipe.write_fd, part)
        pipe.close_write_end()
        await eventually_async(lambda: not pipe.is_open)
        log.close()

    asyncio.run(scenario())
    assert lines == ["one", "two", "\N{REPLACEMENT CHARACTER}"]
    assert (tmp_path / "x.log").read_bytes() == b"one\ntwo\n\xff\nunfinished"


@pytest.mark.parametrize(
    "output",
    [
        pytest.param(b"one\nImportError: no shop\n\n", id="blank lines aside"),
        pytest.param(b"one\nImportError: no shop", id="without a line break"),
    ],
)
@pytest.mark.parametrize("is_read", [False, True])
def test_the_last_line_of_a_child_is_known_when_it_has_ended(
    tmp_path: Path, output: bytes, *, is_read: bool
) -> None:
    """Its end may be noticed before what it has printed is read."""

    async def scenario() -> str:
        log = LogFile(tmp_path / "x.log")
        pipe = OutputPipe(log, on_line=lambda _: None)
        os.write(pipe.write_fd, output)
        pipe.close_write_end()
        await eventually_async(lambda: not (is_read and pipe.is_open))
        found = pipe.last_line_by_now()
        pipe.close()
        log.close()
        return found

    assert asyncio.run(scenario()) == "ImportError: no shop"


def test_children_find_the_data_folder_where_nothing_else_is_set(tmp_path: Path) -> None:
    found = run_plan.child_environment(
        {"TEMP_DIR": "/fast", "PATH": "/bin"},
        data_dir=DataDir(path=tmp_path),
        broker_url="redis://b",
        api_url="http://a",
    )

    assert found == {
        "PATH": "/bin",
        "TEMP_DIR": "/fast",
        "STORAGE_DIR": f"{tmp_path}/storage",
        "CACHE_DIR": f"{tmp_path}/cache",
        "DATABASE_URL": f"sqlite:///{tmp_path}/celeriac.db",
        "CELERIAC_URL": "http://a",
        "CELERIAC_MESSAGE_KEYS": (tmp_path / "message-key").read_text(),
        "CELERIAC_SOFT_SHUTDOWN_S": "0",
        "CELERY_BROKER_URL": "redis://b",
        "PYTHONUNBUFFERED": "1",
    }


def test_a_foreign_application_gets_the_broker_and_nothing_of_ours(tmp_path: Path) -> None:
    found = run_plan.child_environment(
        {}, data_dir=DataDir(path=tmp_path), broker_url="redis://b", api_url=None
    )

    assert found == {"CELERY_BROKER_URL": "redis://b", "PYTHONUNBUFFERED": "1"}


def test_a_snapshot_knows_the_code_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.py", "sub/b.py", ".venv/c.py", "__pycache__/d.py", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()

    found = local_platform.code_snapshot([tmp_path])

    assert set(found) == {f"{tmp_path}/a.py", f"{tmp_path}/sub/b.py"}
    os.utime(tmp_path / "a.py", (1, 1))
    assert local_platform.code_snapshot([tmp_path]) != found


def test_the_embedded_broker_keeps_what_it_is_given(tmp_path: Path) -> None:
    lines = valkey.configuration(tmp_path, port=7, password="p").splitlines()

    assert {
        "port 7",
        "requirepass p",
        "bind 127.0.0.1",
        "appendonly yes",
        "maxmemory-policy noeviction",
    } <= {*lines}


def test_a_data_folder_is_its_owner_s_alone(tmp_path: Path) -> None:
    data_dir = DataDir(path=tmp_path / "data")
    with data_dir.locked():
        password = data_dir.broker_password()
        key = data_dir.message_key()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (data_dir.broker / "password").stat().st_mode & 0o777 == 0o600
    assert (data_dir.path / "message-key").stat().st_mode & 0o777 == 0o600
    assert (data_dir.broker_password(), data_dir.message_key()) == (password, key)
    assert len(password) >= 32
    assert len(key) >= SHORTEST_KEY


def test_the_end_of_a_log_is_what_this_run_has_written(tmp_path: Path) -> None:
    log = DataDir(path=tmp_path).log("api")
    log.parent.mkdir(parents=True)
    log.write_text("an error of the day before\n")
    shown = console.RunConsole(console.Terminal(), now=lambda: "", clock=lambda: 0.0)
    outputs = ProcessOutputs(DataDir(path=tmp_path), shown)

    async def scenario() -> str:
        pipe = outputs.open("api")
        os.write(pipe.write_fd, b"one\ntwo\nthree\n")
        pipe.close_write_end()
        await eventually_async(lambda: not pipe.is_open)
        return outputs.last_lines("api", count=2)

    assert outputs.last_lines("api", count=2) == ""
    assert asyncio.run(scenario()) == "two\nthree"
    assert outputs.last_lines("api", count=9) == "one\ntwo\nthree"
    outputs.close()
