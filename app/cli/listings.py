"""`celeriac queues`, `schedules` and `chunks`: listings of the API."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import client, option_values, output, running
from app.cli.output import Format, FormatOption

if TYPE_CHECKING:
    from app.local.state_files import UpStatus

Json = Any  # a JSON value: the type system has no better word for it

Queues = Sequence[Mapping[str, Json]]
"""Queues as the API sends them, as far as they are known."""

QUEUE_COLUMNS = ("QUEUE", "READY", "UNACKED", "SCHEDULED", "OLDEST", "PURPOSE")
queues = typer.Typer(help="Show what the queues hold.", no_args_is_help=True)
SCHEDULE_COLUMNS = ("SCHEDULE", "KIND", "CRON", "ZONE", "NEXT", "LAST JOB", "STATE", "PARAMS")
schedules = typer.Typer(help="See which jobs begin by themselves.", no_args_is_help=True)
CHUNK_COLUMNS = ("CHUNK", "SCORE", "SOURCE", "PLACE", "TEXT")
SHOWN_LENGTH = 160
chunks = typer.Typer(help="See what bots know.", no_args_is_help=True)


@queues.command("list")
def list_queues(
    context: typer.Context,
    *,
    data_dir: running.DataDirOption = running.DEFAULT_DATA_DIR,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List the queues: ready over all priorities, fetched by workers, waiting for their time."""
    with _reader(context, data_dir) as read:
        found = read()
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(QUEUE_COLUMNS, [_queue_row(queue) for queue in found])


@queues.command("watch")
def watch_queues(
    context: typer.Context,
    *,
    data_dir: running.DataDirOption = running.DEFAULT_DATA_DIR,
    interval_s: Annotated[
        float, typer.Option("--interval", min=0.2, help="Seconds between two looks.")
    ] = 1.0,
) -> None:
    """Show the queues live, until Ctrl-C."""
    from rich.live import Live

    console = output.console()
    with _reader(context, data_dir) as read, Live(console=console, screen=False) as live:
        while True:
            live.update(output.grid(QUEUE_COLUMNS, [_queue_row(queue) for queue in read()]))
            time.sleep(interval_s)


@contextmanager
def _reader(context: typer.Context, folder: Path) -> Iterator[Callable[[], Queues]]:
    """What reads the queues: of our platform by its API, of another application from the file of
    the `celeriac up` that runs it."""
    up = running.find(context, folder)
    if up is not None and up.api_url is None:
        yield lambda: _of_pools(running.find(context, folder))
        return
    with client.connected(context, folder=folder) as api:
        yield lambda: api.get("/queues")["items"]


def _of_pools(up: "UpStatus | None") -> Queues:
    pools = up.pools if up is not None else {}
    return [
        {
            "name": queue.name,
            "ready": queue.ready,
            "unacked": queue.unacked,
            "scheduled": queue.scheduled,
            "oldest_age_seconds": queue.oldest_age_s,
            "purpose": f"pool {name}",
        }
        for name in sorted(pools)
        for queue in pools[name].queues
    ]


def _queue_row(queue: Mapping[str, Json]) -> tuple[object, ...]:
    age_s = queue["oldest_age_seconds"]
    return (
        queue["name"],
        _count(queue["ready"]),
        _count(queue["unacked"]),
        _count(queue["scheduled"]),
        "" if age_s is None else f"{age_s:.0f} s",
        queue["purpose"],
    )


def _count(value: int | None) -> str:
    return "?" if value is None else str(value)


@schedules.command("list")
def list_schedules(context: typer.Context, *, output_format: FormatOption = Format.TABLE) -> None:
    """List the schedules: when each begins its next job, and what became of the last one."""
    with client.connected(context) as api:
        found = api.get("/schedules")["items"]
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(SCHEDULE_COLUMNS, [_schedule_row(schedule) for schedule in found])


def _schedule_row(schedule: Mapping[str, Json]) -> tuple[object, ...]:
    last = schedule["last_job"] or {"id": "", "state": ""}
    return (
        schedule["name"],
        schedule["kind"],
        schedule["cron"],
        schedule["timezone"],
        schedule["next_at"] if schedule["is_on"] else "off",
        last["id"],
        last["state"],
        option_values.shown(schedule["params"]),
    )


@chunks.command("search")
def search_chunks(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Words; a chunk with one of them is found.")],
    *,
    chatbot_id: Annotated[str | None, typer.Option(help="Only what this bot knows.")] = None,
    source_id: Annotated[str | None, typer.Option(help="Only chunks of this source.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most chunks to show.")] = 10,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Search the stored chunks, best first."""
    params = {"query": query, "chatbot_id": chatbot_id, "source_id": source_id, "limit": limit}
    with client.connected(context) as api:
        found = api.get("/chunks", params=params)["items"]
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(CHUNK_COLUMNS, [_chunk_row(chunk) for chunk in found])


def _chunk_row(chunk: Mapping[str, Json]) -> tuple[object, ...]:
    source = chunk["source"] or {}
    text = " ".join(chunk["text"].split())
    return (
        chunk["id"],
        f"{chunk['score']:.2f}",
        source.get("filename", chunk["source_id"]),
        place_of(chunk["metadata"]),
        text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 3] + "...",
    )


def place_of(metadata: Mapping[str, Json]) -> str:
    """Where a chunk stands, in short.

    >>> place_of({"pages": [3, 4], "headings": ["A", "B"]})
    'A > B, pages 3-4'
    >>> place_of({"sheet": "Prices", "rows": [7, 7]})
    'sheet Prices, rows 7'
    """
    told = []
    if metadata.get("url"):
        told.append(str(metadata["url"]))
    if metadata.get("sheet"):
        told.append(f"sheet {metadata['sheet']}")
    elif metadata.get("headings"):
        told.append(" > ".join(metadata["headings"]))
    for name in ("pages", "rows"):
        span = metadata.get(name)
        if span:
            told.append(f"{name} {'-'.join(map(str, dict.fromkeys(span)))}")
    return ", ".join(told)
