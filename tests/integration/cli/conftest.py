"""A server, and the command line as its client."""

import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.cli import application
from tests.integration import serving
from tests.integration.serving import Server

Json = Any  # a JSON value


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`celeriac ...` with the API of this test."""

    url: str

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "app", "--api-url", self.url, *arguments]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """In this process: one of its own takes a second or two to start, and adds nothing here."""
        printed, complained = _stream(), _stream()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(complained),
        ):
            patch.setattr(sys, "argv", ["celeriac", "--api-url", self.url, *arguments])
            with pytest.raises(SystemExit) as ended:
                application.main()
        return subprocess.CompletedProcess(
            arguments,
            returncode=int(ended.value.code or 0),
            stdout=_text(printed),
            stderr=_text(complained),
        )

    def output(self, *arguments: str) -> str:
        """What a command prints that succeeds."""
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Server]:
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


@pytest.fixture
def eager(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that runs jobs inside the request that submits them."""
    monkeypatch.setenv("CELERY_TASK_ALWAYS_EAGER", "true")
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


@pytest.fixture
def celeriac(server: Server) -> CommandLine:
    return CommandLine(server.url)
