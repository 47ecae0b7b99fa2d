"""`celeriac schedules` and `celeriac chunks`: read-only listings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import client, option_values, output
from app.cli.output import Format, FormatOption

if TYPE_CHECKING:
    pass

Json = Any  # a JSON value: the type system has no better word for it

SCHEDULE_COLUMNS = ("SCHEDULE", "KIND", "CRON", "ZONE", "NEXT", "LAST JOB", "STATE", "PARAMS")
schedules = typer.Typer(help="Show the schedules.", no_args_is_help=True)
CHUNK_COLUMNS = ("CHUNK", "SCORE", "SOURCE", "PLACE", "TEXT")
TEXT_LENGTH = 160
chunks = typer.Typer(help="Search the stored chunks.", no_args_is_help=True)


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
