"""Videos that a command of one's own makes."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from app.errors import (
    Cancelled,
    CeleriacError,
    InvalidInput,
    NotConfigured,
    NotFound,
    PermanentError,
    RetryableError,
)
from app.testing import RecordedWork
from tests.integration.pipelines.conftest import OpenWork
from tests.integration.pipelines.videos import made, of_library
from tests.sites.pubmed import Library
from tests.waiting import eventually

PROGRAM = """
import json, os, pathlib, subprocess, sys, time
pathlib.Path(os.environ["TMPDIR"], "arguments.json").write_text(json.dumps(sys.argv[1:]))
output = pathlib.Path(os.environ["CELERIAC_OUTPUT"])
"""

GOOD = """
print("starting")
for line in (
    '{"progress": 40, "message": "half", "eta_seconds": 3}', '{"progress": 20}', '{nonsense',
    '{"progress": true}', '{"progress": 1e999}', '[1]', '{"title": "Carrots"}', '\\x00\\xff',
    '{"progress": 900}',
):
    print(line, flush=True)
sys.stdout.flush()
sys.stdout.buffer.write(b"\\xff\\xfe\\n" + b"x" * 3_000_000 + b"\\n")
print("at", os.environ["CELERIAC_PUBMED_ID"], os.environ["CELERIAC_ATTEMPT"])
output.write_bytes(b"\\0\\0\\0\\x18ftypmp42" + bytes(100))
"""


def commanded(
    open_work: OpenWork, library: Library, redis_url: str, folder: Path, body: str
) -> RecordedWork:
    """A work whose videos are made by this program."""
    program = folder / "make video.py"
    program.write_text(PROGRAM + body)
    written = f"{sys.executable} '{program}' --quality 'very high'"
    return open_work(**of_library(library, redis_url, VIDEO_PIPELINE_COMMAND=written))


def test_a_command_makes_the_video(
    open_work: OpenWork, library: Library, redis_url: str, tmp_path: Path
) -> None:
    work = commanded(open_work, library, redis_url, tmp_path, GOOD)
    result = made(work, "77", video_id="v-7")
    assert (result.made_by, result.title, result.size_bytes) == ("command", "Carrots", 112)
    assert work.artifact("video.mp4")[4:8] == b"ftyp"
    log = work.artifact("command.log").decode()
    assert log.endswith("at 77 1")
    assert len(log) <= 64 * 1024
    target = work.directory / "video.mp4"
    want = ["--quality", "very high", "--job-id", "recorded", "--video-id", "v-7"]
    want += ["--pubmed-id", "77", "--output", str(target)]
    assert (work.directory / "arguments.json").read_text() == str(want).replace("'", '"')
    half = next(report for report in work.reports if report.message == "half")
    assert (half.percent, half.eta_seconds) == (38, 3)
    assert work.percents == sorted(work.percents)


ENDS: dict[str, tuple[str, type[CeleriacError], str]] = {
    "bad input": ("print('no such thing', file=sys.stderr); sys.exit(65)", InvalidInput, "no such"),
    "not found": ("print('gone'); sys.exit(66)", NotFound, "gone"),
    "not set up": ("sys.exit(78)", NotConfigured, "not configured"),
    "later": ("sys.exit(75)", RetryableError, "later"),
    "a crash": ("raise RuntimeError('so')", RetryableError, "RuntimeError: so"),
    "a signal": ("os.kill(os.getpid(), 9)", RetryableError, "broke down"),
    "no video": ("", PermanentError, "no video"),
    "no MP4": ("output.write_bytes(b'a text, and not a short one')", PermanentError, "not an MP4"),
    "a link": ("output.symlink_to('/etc/passwd')", PermanentError, "no video"),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_a_command_ends_is_how_the_job_ends(
    open_work: OpenWork, library: Library, redis_url: str, tmp_path: Path, name: str
) -> None:
    body, want, words = ENDS[name]
    work = commanded(open_work, library, redis_url, tmp_path, body)
    with pytest.raises(CeleriacError, match=words) as raised:
        made(work)
    assert type(raised.value) is want


@pytest.mark.parametrize("written", ["no-such-program --fast", "'half a quote", "   "])
def test_a_command_that_cannot_be_run_is_a_setting_to_mend(
    open_work: OpenWork, library: Library, redis_url: str, written: str
) -> None:
    work = open_work(**of_library(library, redis_url, VIDEO_PIPELINE_COMMAND=written))
    with pytest.raises(NotConfigured):
        made(work)


HANG = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(os.environ["TMPDIR"], "pids").write_text(f"{os.getpid()} {child.pid}")
print('{"progress": 10}', flush=True)
time.sleep(600)
"""


def test_cancel_ends_a_command_that_hangs_with_all_it_started(
    open_work: OpenWork, library: Library, redis_url: str, tmp_path: Path
) -> None:
    work = commanded(open_work, library, redis_url, tmp_path, HANG)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            made(work)
        except Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: len(work.reports) > 1, why="the command is at work")
    pids = [int(pid) for pid in (work.directory / "pids").read_text().split()]
    cancelled_at = time.monotonic()
    work.cancel()
    thread.join(timeout=10)
    assert time.monotonic() - cancelled_at < 5
    assert [type(error) for error in raised] == [Cancelled]
    eventually(lambda: not any(is_alive(pid) for pid in pids), why="all of the group is gone")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
