"""A server, and the command line that speaks to it."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration import serving
from tests.integration.serving import Server

Json = Any  # a JSON value


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`celeriac ...` with the API of this test."""

    url: str

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "app", "--api-url", self.url, *arguments]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = self.command(*arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)

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
