"""What others wrote is shown on a terminal, and not obeyed by it."""

import io
import logging

import pytest
from rich.console import Console

from app.cli import output
from app.telemetry.logs import TextFormatter

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\r\x9b31m"
SEEN = r"\x1b[2J\x1b]0;owned\x07\u202egnp.exe\r\x9b31m"


def test_commands_print_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("TITLE",), [(HOSTILE,)])
    output.print_fields([("message", HOSTILE)])
    output.print_line(HOSTILE)
    output.error(HOSTILE)

    printed = capsys.readouterr()
    assert (printed.out + printed.err).count(SEEN) == 4
    assert not {"\x1b", "\x07", "\r", "\u202e", "\x9b"} & set(printed.out + printed.err)


def test_tables_keep_what_is_only_unusual() -> None:
    terminal = Console(file=(found := io.StringIO()), width=80)
    terminal.print(output.grid(("TITLE",), [("日本語 ünï 👍",)]))
    assert "日本語 ünï 👍" in found.getvalue()


def test_a_log_line_is_one_line() -> None:
    record = logging.LogRecord("a", logging.INFO, "f", 1, "read %s", ("a\nERROR b",), None)
    record.title = HOSTILE
    line = TextFormatter().format(record)
    assert line.count("\n") == 0
    assert SEEN in line
