"""The command line, as a client of the API of a test."""

import contextlib
import io
import subprocess
import sys
from dataclasses import dataclass

import pytest

from app.cli import application


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
