import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from app.cli import application
from app.settings import ApiSettings

HEAVY = {"celery", "kombu", "sqlalchemy", "fastapi", "redis", "pydantic", "httpx2", "rich"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What is left of a command."""

    code: object
    output: str
    errors: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("jobs", "list")` in this process: a process each would take a second each."""

    def main(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["celeriac", *arguments])
        with pytest.raises(SystemExit) as ended:
            application.main()
        captured = capsys.readouterr()
        return Ended(code=ended.value.code, output=captured.out, errors=captured.err)

    return main


def test_the_command_line_starts_without_the_platform() -> None:
    script = f"import sys, app.cli; print(*sorted({HEAVY!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert found.stdout.split() == []


def test_the_default_url_is_that_of_the_settings() -> None:
    assert ApiSettings().url == application.API_URL


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["up"], id="up"),
        pytest.param(["api"], id="api"),
        pytest.param(["worker"], id="worker"),
        pytest.param(["beat"], id="beat"),
        pytest.param(["db", "upgrade"], id="db upgrade"),
        pytest.param(["jobs", "submit"], id="jobs submit"),
        pytest.param(["jobs", "get"], id="jobs get"),
        pytest.param(["jobs", "list"], id="jobs list"),
        pytest.param(["jobs", "watch"], id="jobs watch"),
        pytest.param(["jobs", "cancel"], id="jobs cancel"),
        pytest.param(["jobs", "retry"], id="jobs retry"),
        pytest.param(["queues", "list"], id="queues list"),
        pytest.param(["queues", "watch"], id="queues watch"),
        pytest.param(["queues", "values"], id="queues values"),
    ],
)
def test_every_command_explains_itself(run: Run, command: list[str]) -> None:
    found = run(*command, "--help")
    assert (found.code, found.errors) == (0, "")
    assert found.output.lstrip().startswith("Usage:")


def test_an_api_that_is_away_is_one_line() -> None:
    command = [sys.executable, "-m", "app", "--api-url", "http://127.0.0.1:9", "jobs", "list"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        "celeriac: no answer from http://127.0.0.1:9 (connection refused); start one with "
        "'celeriac up', or set another one with --api-url or CELERIAC_URL\n"
    )


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        pytest.param(["jobs", "get"], 2, id="an argument is missing"),
        pytest.param(["jobs", "submit", "unknown"], 2, id="no such kind"),
        pytest.param(["worker", "--queue", "nowhere"], 1, id="no such queue"),
        pytest.param(["--api-url", "http://[", "jobs", "list"], 1, id="no URL"),
    ],
)
def test_mistakes_are_reported_without_a_traceback(
    run: Run, arguments: list[str], want: int
) -> None:
    found = run(*arguments)
    assert found.code == want
    assert found.errors
    assert "Traceback" not in found.errors
