"""The reference lists every command, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path

import typer.main

from app.cli import application

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def commands() -> Iterator[str]:
    root = typer.main.get_command(application.application)
    for name, command in root.commands.items():  # type: ignore[attr-defined]  # a group
        if not getattr(command, "commands", None):
            yield f"celeriac {name}"
            continue
        yield from (f"celeriac {name} {inner}" for inner in command.commands)


def test_the_reference_lists_the_commands_that_there_are() -> None:
    listed = re.findall(r"^\| `(celeriac [^`]*)`", REFERENCE.read_text(), re.MULTILINE)
    assert set(listed) == set(commands())
