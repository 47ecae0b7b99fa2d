"""Children that want more than they may have."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from app.errors import LimitExceeded, ProcessFailed
from app.worker import limits
from app.worker.sandbox.policy import Sandbox

MEBIBYTE = 1024 * 1024
GREEDY = "tests.integration.worker.greedy"
SANDBOX = Sandbox(readable=(Path(__file__).parents[2],), writable=(Path(tempfile.gettempdir()),))


def run(
    act: str, *, memory_mebibytes: int = 512, cpu_s: int = 20, timeout_s: float = 30
) -> list[dict[str, Any]]:
    """What a child prints that does this within its limits."""
    lines: list[dict[str, Any]] = []
    limits.run_limited(
        GREEDY,
        [act],
        memory_bytes=memory_mebibytes * MEBIBYTE,
        cpu_s=cpu_s,
        timeout_s=timeout_s,
        on_line=lines.append,
        sandbox=SANDBOX,
    )
    return lines


def test_a_modest_child_prints_its_lines() -> None:
    assert run("modest") == [{"arguments": ["modest"]}, {"second": "line"}]


@pytest.mark.parametrize(
    ("act", "bounds", "reason"),
    [
        pytest.param("memory", {}, "memory", id="memory of Python"),
        pytest.param("abort", {}, "memory", id="a library that aborts"),
        pytest.param("killed", {}, "memory", id="killed by the system"),
        pytest.param("cpu", {"cpu_s": 1}, "processor time", id="processor time"),
        pytest.param("sleep", {"timeout_s": 1.0}, "time", id="time"),
        pytest.param("file", {}, "file", id="a file"),
    ],
)
def test_a_greedy_child_meets_its_limit(act: str, bounds: dict[str, Any], reason: str) -> None:
    with pytest.raises(LimitExceeded, match=reason):
        run(act, **bounds)


def test_a_child_that_fails_by_itself_is_no_matter_of_limits() -> None:
    with pytest.raises(ProcessFailed, match="ValueError: no good"):
        run("error")


def test_the_child_can_be_run_by_the_caller() -> None:
    commands: list[list[str]] = []

    def refuse(command: Any, **_: Any) -> str:
        commands.append(list(command))
        raise LookupError

    with pytest.raises(LookupError):
        limits.run_limited(
            GREEDY,
            ["modest"],
            memory_bytes=MEBIBYTE,
            cpu_s=1,
            timeout_s=1,
            on_line=print,
            sandbox=SANDBOX,
            run=refuse,
        )

    assert commands[0][0] == sys.executable
    assert Path(commands[0][1]).name == "limited.py"
