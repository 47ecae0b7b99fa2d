"""`celeriac queues`, `celeriac schedules` and `celeriac chunks`: read-only listings."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import client, option_values, output, roles, running
from app.cli.output import Format, FormatOption

if TYPE_CHECKING:
    from app.local.state_files import UpStatus

Json = Any  # a JSON value: the type system has no better word for it

Queues = Sequence[Mapping[str, Json]]
"""Queues as the API returns them."""

QUEUE_COLUMNS = ("QUEUE", "READY", "UNACKED", "SCHEDULED", "OLDEST", "PURPOSE")
queues = typer.Typer(help="Show the queues.", no_args_is_help=True)
SCHEDULE_COLUMNS = ("SCHEDULE", "KIND", "CRON", "ZONE", "NEXT", "LAST JOB", "STATE", "PARAMS")
schedules = typer.Typer(help="Show the schedules.", no_args_is_help=True)
CHUNK_COLUMNS = ("CHUNK", "SCORE", "SOURCE", "PLACE", "TEXT")
TEXT_LENGTH = 160
chunks = typer.Typer(help="Search the stored chunks.", no_args_is_help=True)


@queues.command("list")
def list_queues(
    context: typer.Context,
    *,
    data_dir: running.DataDirOption = running.DEFAULT_DATA_DIR,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List the queues with their messages: ready (over all priorities), unacked and scheduled."""
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
        float, typer.Option("--interval", min=0.2, help="Seconds between updates.")
    ] = 1.0,
) -> None:
    """Show the queues and update them until Ctrl-C."""
    from rich.live import Live

    console = output.console()
    with _reader(context, data_dir) as read, Live(console=console, screen=False) as live:
        while True:
            live.update(output.grid(QUEUE_COLUMNS, [_queue_row(queue) for queue in read()]))
            time.sleep(interval_s)


@queues.command("values")
def show_values() -> None:
    """Print the chart values of the pools for the queues that CELERIAC_PIPELINES brings."""
    import yaml

    from app.queues import BY_NAME

    brought = [queue for name, queue in roles.known_queues().items() if name not in BY_NAME]
    pools = {str(queue.name): queue.pool_values() for queue in brought}
    typer.echo(yaml.safe_dump({"pipelines": {"pools": pools}}, sort_keys=False), nl=False)


@contextmanager
def _reader(context: typer.Context, folder: Path) -> Iterator[Callable[[], Queues]]:
    """Reads the queues: from the API, or from the status file of a `celeriac up` that runs another
    application."""
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
    """List the schedules: the next start and the last job of each."""
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
    query: Annotated[str, typer.Argument(help="Words; chunks that contain one of them match.")],
    *,
    chatbot_id: Annotated[str | None, typer.Option(help="Only chunks of this bot.")] = None,
    source_id: Annotated[str | None, typer.Option(help="Only chunks of this source.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Maximum number of chunks.")] = 10,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Search the stored chunks, best match first."""
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
        location(chunk["metadata"]),
        text if len(text) <= TEXT_LENGTH else text[: TEXT_LENGTH - 3] + "...",
    )


def location(metadata: Mapping[str, Json]) -> str:
    """The location of a chunk, in short form.

    >>> location({"pages": [3, 4], "headings": ["A", "B"]})
    'A > B, pages 3-4'
    >>> location({"sheet": "Prices", "rows": [7, 7]})
    'sheet Prices, rows 7'
    """
    parts = []
    if metadata.get("url"):
        parts.append(str(metadata["url"]))
    if metadata.get("sheet"):
        parts.append(f"sheet {metadata['sheet']}")
    elif metadata.get("headings"):
        parts.append(" > ".join(metadata["headings"]))
    for name in ("pages", "rows"):
        span = metadata.get(name)
        if span:
            parts.append(f"{name} {'-'.join(map(str, dict.fromkeys(span)))}")
    return ", ".join(parts)
