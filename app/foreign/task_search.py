"""Filters of tasks as they stand in an address: `task:orders.* queue:mail argument:4711`."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.errors import InvalidInput
from app.foreign.task_record import TaskState

FIELDS = {
    "task": "name",
    "queue": "queue",
    "worker": "worker",
    "exception": "exception",
    "place": "place",
}
"""The keys that filter by a series, with their columns. `*` stands for any characters."""
KEYS = (*FIELDS, "state", "argument", "root")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSearch:
    """What tasks must match; no filter matches all."""

    series: Mapping[str, str] = field(default_factory=dict)
    """Patterns by column of `series`."""
    state: TaskState | None = None
    argument: str = ""
    """Words that the arguments contain next to each other; the last one may go on."""
    root: str = ""
    """The first task of a chain, group or chord, by its id."""

    @property
    def is_empty(self) -> bool:
        return not (self.series or self.state or self.argument or self.root)


def parse(text: str) -> TaskSearch:
    """Parse a query line. A word without a key is looked for in the arguments.

    >>> parse('task:orders.* "red shoes"').argument
    'red shoes'

    Raises:
        InvalidInput: an unknown key or state, a value is missing, or a quote is not closed.
    """
    found = TaskSearch()
    words: list[str] = []
    for part in _parts(text):
        key, colon, value = part.partition(":")
        if not colon or key not in KEYS:
            if colon and key.isidentifier() and "/" not in value:
                raise InvalidInput(f"no filter {key!r}; there are: {', '.join(KEYS)}")
            words.append(part)
        elif not value:
            raise InvalidInput(f"filter {key!r} needs a value, like {key}:something")
        else:
            found = _with(found, key, value)
    if words:
        found = replace(found, argument=" ".join((found.argument, *words)).strip())
    return found


def show(search: TaskSearch) -> str:
    """The query line of these filters, without the state, which has its own place."""
    columns = {column: key for key, column in FIELDS.items()}
    parts = [f"{columns[column]}:{value}" for column, value in search.series.items()]
    parts += [f"root:{search.root}"] if search.root else []
    parts += [f"argument:{search.argument}"] if search.argument else []
    return " ".join(map(_quoted, parts))


def in_state(search: TaskSearch, state: TaskState) -> TaskSearch:
    return replace(search, state=state)


def _with(search: TaskSearch, key: str, value: str) -> TaskSearch:
    if key in FIELDS:
        return replace(search, series={**search.series, FIELDS[key]: value})
    if key == "root":
        return replace(search, root=value)
    if key == "argument":
        return replace(search, argument=f"{search.argument} {value}".strip())
    try:
        return replace(search, state=TaskState(value))
    except ValueError:
        states = ", ".join(TaskState)
        raise InvalidInput(f"no state {value!r}; there are: {states}") from None


def _parts(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape, lexer.quotes = True, "", "", '"'
    try:
        return list(lexer)
    except ValueError:
        raise InvalidInput('a quote is not closed: write "red shoes"') from None


def _quoted(part: str) -> str:
    return f'"{part}"' if " " in part else part


def series_rule(search: TaskSearch) -> tuple[str, list[Any]]:
    """A condition on `series`, and its values."""
    rules, values = ["1"], []
    for column, pattern in search.series.items():
        if "*" in pattern:
            rules.append(f"{column} GLOB ?")
            values.append(re.sub(r"([\[?])", r"[\1]", pattern))
        else:
            rules.append(f"{column} = ?")
            values.append(pattern)
    return " AND ".join(rules), values


def text_source(search: TaskSearch, *, before: int | None) -> tuple[str, list[Any]]:
    """A query for the ids of tasks by their texts, newest first."""
    start = 2**62 if before is None else before
    if not search.argument:
        query = "SELECT id FROM detail WHERE root = ? AND id < ? ORDER BY id DESC"
        return query, [search.root, start]
    phrase = '"{}" *'.format(search.argument.replace('"', '""'))
    query = "SELECT words.rowid AS id FROM words WHERE words MATCH ? AND words.rowid < ?"
    values: list[Any] = [phrase, start]
    if search.root:
        query += " AND words.rowid IN (SELECT id FROM detail WHERE root = ?)"
        values.append(search.root)
    return f"{query} ORDER BY words.rowid DESC", values
