"""Real child processes, and what is left of them."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.errors import ProcessFailed, ProcessTimedOut
from app.worker import process_group
from app.worker.process_group import ProcessGroup
from tests.waiting import eventually

FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "1000"])
print(os.getpid(), child.pid, flush=True)
time.sleep(1000)
"""
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(1000)
"""


def python(source: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", source, *arguments]


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def gone(pids: list[int]) -> None:
    """Wait until the kernel is through with them: they have been killed already."""
    eventually(lambda: not any(is_alive(pid) for pid in pids), within_s=5, why="all are gone")


class Pids:
    """Collects the pids that a child prints, and can do something then."""

    def __init__(self) -> None:
        self.found: list[int] = []

    def __call__(self, line: str) -> None:
        self.found += [int(word) for word in line.split()]


def test_run_hands_over_lines_and_gives_the_end_of_the_errors() -> None:
    lines: list[str] = []
    source = "import sys; print('a'); print('b', end=''); print('oops', file=sys.stderr)"

    end = ProcessGroup(python(source)).run(on_line=lines.append)

    assert (lines, end) == (["a", "b"], "oops\n")


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        pytest.param("print('a\\r\\nb')", ["a", "b"], id="carriage returns"),
        pytest.param(
            "import sys; sys.stdout.buffer.write(b'\\xff\\n')",
            ["\N{REPLACEMENT CHARACTER}"],
            id="bytes that are no text",
        ),
        pytest.param("pass", [], id="no output"),
        pytest.param("print()", [""], id="an empty line"),
    ],
)
def test_lines_are_text(source: str, lines: list[str]) -> None:
    found: list[str] = []

    ProcessGroup(python(source)).run(on_line=found.append)

    assert found == lines


def test_a_line_without_end_does_not_fill_memory() -> None:
    sizes: list[int] = []

    ProcessGroup(python("print('x' * 5_000_000)")).run(on_line=lambda line: sizes.append(len(line)))

    assert sum(sizes) == 5_000_000
    assert max(sizes) <= process_group.LINE_LIMIT_BYTES


def test_much_output_on_both_pipes_does_not_block() -> None:
    source = "import sys\nfor _ in range(20000): print('o' * 80); print('e' * 80, file=sys.stderr)"
    lines: list[str] = []

    end = ProcessGroup(python(source)).run(on_line=lines.append)

    assert len(lines) == 20000
    assert len(end) == process_group.OUTPUT_END_BYTES


@pytest.mark.parametrize(
    ("source", "code"),
    [
        pytest.param("raise SystemExit(3)", 3, id="an exit code"),
        pytest.param("import os; os.kill(os.getpid(), 9)", -9, id="killed"),
        pytest.param("import os; os.abort()", -6, id="aborted"),
    ],
)
def test_a_failure_tells_how_it_ended(source: str, code: int) -> None:
    with pytest.raises(ProcessFailed) as failure:
        ProcessGroup(python(source)).run()

    assert failure.value.exit_code == code


def test_a_failure_holds_the_end_of_the_errors() -> None:
    with pytest.raises(ProcessFailed, match=r"python.* ended with 1: .*no good"):
        ProcessGroup(python("import sys; sys.exit('no good')")).run()


def test_a_program_that_is_not_there_fails() -> None:
    with pytest.raises(ProcessFailed, match="no-such-program: No such file"):
        ProcessGroup(["no-such-program"]).run()


def test_the_time_out_ends_the_whole_family() -> None:
    pids = Pids()

    with pytest.raises(ProcessTimedOut):
        ProcessGroup(python(FAMILY)).run(on_line=pids, timeout_s=1.0)

    assert len(pids.found) == 2
    gone(pids.found)


def test_stop_from_another_thread_ends_the_whole_family() -> None:
    pids = Pids()
    group = ProcessGroup(python(FAMILY))
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(group.run, on_line=pids)
        eventually(lambda: len(pids.found) == 2)

        group.stop()

        with pytest.raises(ProcessFailed):
            running.result(timeout=10)
    gone(pids.found)


def test_a_child_that_does_not_listen_is_killed() -> None:
    group = ProcessGroup(python(STUBBORN))
    pids = Pids()

    def stop_when_up(line: str) -> None:
        pids(line)
        group.stop()

    began = time.monotonic()
    with pytest.raises(ProcessFailed):
        group.run(on_line=stop_when_up)

    assert time.monotonic() - began < process_group.TERM_GRACE_S + 60
    gone(pids.found)


def test_an_error_of_the_reader_ends_the_child_and_is_raised() -> None:
    pids = Pids()

    def refuse(line: str) -> None:
        pids(line)
        raise LookupError(line)

    with pytest.raises(LookupError):
        ProcessGroup(python(FAMILY)).run(on_line=refuse)

    gone(pids.found)


def test_what_a_finished_child_leaves_behind_is_ended() -> None:
    pids = Pids()
    source = "import subprocess; print(subprocess.Popen(['sleep', '1000']).pid, flush=True)"

    ProcessGroup(python(source)).run(on_line=pids)

    gone(pids.found)


def test_a_process_that_left_the_group_holds_nobody_up() -> None:
    pids = Pids()
    source = (
        "import subprocess\n"
        "print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid, flush=True)"
    )

    began = time.monotonic()
    ProcessGroup(python(source)).run(on_line=pids)

    assert time.monotonic() - began < 30
    os.kill(pids.found[0], signal.SIGKILL)


def test_a_group_stopped_before_it_runs_ends_at_once() -> None:
    group = ProcessGroup(["sleep", "1000"])
    group.stop()

    with pytest.raises(ProcessFailed):
        group.run()


def test_kill_9_of_this_process_takes_the_family_along(tmp_path: Path) -> None:
    listing = tmp_path / "pids"
    parent = subprocess.Popen(
        python(
            "import sys\n"
            "from pathlib import Path\n"
            "from app.worker.process_group import ProcessGroup\n"
            "ProcessGroup(sys.argv[2:]).run(on_line=Path(sys.argv[1]).write_text)\n",
            str(listing),
            *python(FAMILY),
        ),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    eventually(lambda: listing.exists() and listing.read_text())
    pids = [int(word) for word in listing.read_text().split()]
    assert all(is_alive(pid) for pid in pids)

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    gone(pids)


def test_a_child_gets_no_address_and_no_key_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://:secret@broker")
    monkeypatch.setenv("DATABASE_URL", "postgresql://shop:secret@db/jobs")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    lines: list[str] = []
    ProcessGroup(["env"]).run(on_line=lines.append)
    found = dict(line.split("=", 1) for line in lines)
    assert "secret" not in "".join(found.values())
    assert (found["PATH"], found["LC_ALL"]) == (os.environ["PATH"], "C.UTF-8")
    assert set(found) <= process_group.PASSED_ON | {"LC_ALL", "LC_CTYPE"}


def test_a_child_gets_the_environment_that_it_is_given() -> None:
    lines: list[str] = []
    ProcessGroup(["env"], environment={"PATH": os.environ["PATH"], "TOKEN": "for it"}).run(
        on_line=lines.append
    )
    assert "TOKEN=for it" in lines
