"""`celeriac chunks`: what bots know."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from app.cli import client, output
from app.cli.output import Format, FormatOption

Json = Any  # a JSON value: the type system has no better word for it

COLUMNS = ("CHUNK", "SCORE", "SOURCE", "PLACE", "TEXT")

SHOWN_LENGTH = 160

application = typer.Typer(help="See what bots know.", no_args_is_help=True)


@application.command("search")
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
    output.print_table(COLUMNS, [_row(chunk) for chunk in found])


def _row(chunk: Mapping[str, Json]) -> tuple[object, ...]:
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
