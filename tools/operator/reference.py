"""Renders `docs/reference/workerpool.md`: the words of `workerpool.md` beside this module around
tables of every field, taken from the definition."""

import json
from collections.abc import Iterator
from pathlib import Path

from app.operator import crd
from app.operator.crd import Schema

WORDS = Path(__file__).with_name("workerpool.md")


def page() -> str:
    """The whole page."""
    version = crd.definition()["spec"]["versions"][0]
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    text = WORDS.read_text(encoding="utf-8")
    for part in ("spec", "status"):
        text = text.replace(f"<!-- {part} -->\n", _table(properties[part]))
    return text


def _table(schema: Schema) -> str:
    rows = ["| Field | Type | Default | Meaning |", "|---|---|---|---|"]
    rows += [_row(path, node, is_required=needed) for path, node, needed in _fields(schema)]
    return "\n".join(rows) + "\n"


def _fields(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema, bool]]:
    for name, node in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, node, name in schema.get("required", ())
        yield from _fields(node, f"{path}.")
        if node["type"] == "array":
            yield from _fields(node["items"], f"{path}[].")


def _row(path: str, node: Schema, *, is_required: bool) -> str:
    default = "required" if is_required else _default(node)
    return f"| `{path}` | {_type(node)} | {default} | {node['description']} |"


def _type(node: Schema) -> str:
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if node["type"] == "array":
        return f"list of {node['items']['type']}"
    return f"{node['type']}{_bounds(node)}"


def _bounds(node: Schema) -> str:
    parts = []
    if "minimum" in node:
        parts.append(f"{'>' if node.get('exclusiveMinimum') else '>='} {node['minimum']}")
    if "maximum" in node:
        parts.append(f"<= {node['maximum']}")
    return f" {', '.join(parts)}" if parts else ""


def _default(node: Schema) -> str:
    value = node.get("default")
    return f"`{json.dumps(value)}`" if value not in (None, "", []) else ""
