"""Output of the commands: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.telemetry.terminal_text import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Json = Any  # a JSON value: the type system has no better word for it

WIDE = 400
"""Width of output that does not go to a terminal, so that no cell is wrapped."""


class Format(StrEnum):
    """The output format of a listing."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[
    Format,
    typer.Option("--output", "-o", help="Output format: a table for people, JSON for programs."),
]


def print_json(value: Json) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=not _prints_unicode()))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    console().print(grid(columns, rows))


def print_fields(fields: Sequence[tuple[str, object]]) -> None:
    """Print a name and a value per line, without values that are None or empty."""
    known = [(name, value) for name, value in fields if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        print_line(f"{name:<{width}}  {value}")


def console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)


def print_line(text: str) -> None:
    """Print text that may be of others."""
    typer.echo(shown(text))


def clipped(text: str, length: int) -> str:
    """The text in at most so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def error(message: str) -> None:
    typer.echo(f"celeriac: {shown(message)}", err=True)


def moment(value: str | None) -> str | None:
    """A time of the API in short form and in the local time zone."""
    if value is None:
        return None
    return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def grid(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> "Table":
    """A table. None is an empty cell, and cells contain no markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else shown(str(cell))) for cell in row))
    return table


def _prints_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def error_text(error: Json) -> str | None:
    """An error of the API as one line."""
    return None if error is None else f"{error['type']}: {error['message']}"


def seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} s"


def rate(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}/s"
