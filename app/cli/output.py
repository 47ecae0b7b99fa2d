"""What the commands print: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Json = Any  # a JSON value: the type system has no better word for it

WIDE = 400
"""Columns of output that is read by a program: no cell is cut to fit a screen that is not there."""


class Format(StrEnum):
    """How a listing is printed."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[
    Format, typer.Option("--output", "-o", help="A table for people, JSON for programs.")
]


def print_json(value: Json) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=not _speaks_unicode()))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    console().print(grid(columns, rows))


def print_fields(fields: Sequence[tuple[str, object]]) -> None:
    """A name and a value a line, without those that are None or empty."""
    told = [(name, value) for name, value in fields if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in told), default=0)
    for name, value in told:
        typer.echo(f"{name:<{width}}  {value}")


def console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)


def error(message: str) -> None:
    typer.echo(f"celeriac: {message}", err=True)


def moment(value: str | None) -> str | None:
    """A moment of the API, short and in the reader's own time zone."""
    if value is None:
        return None
    return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def grid(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> "Table":
    """A table; a cell that is None is empty, and nothing in a cell is markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return table


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} s"


def rate(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}/s"
