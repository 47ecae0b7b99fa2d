"""`values.yaml`, written from the schema: each value with its description and default."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from tools.chart.imported import Node
from tools.chart.source import Source

WIDTH = 100
_HEAD = """\
# Values of the celeriac chart, written by `make generate` from tools/chart/schema.
# Every value, and what `pod` and the other shared shapes may hold: docs/reference/values.md.
"""


def render(source: Source) -> str:
    blocks = ("\n".join(_entry(name, node, source)) for name, node in source.properties.items())
    return _HEAD + "".join(f"\n{block}\n" for block in blocks)


def _entry(name: str, node: Node, source: Source, *, commented: bool = True) -> Iterator[str]:
    """The lines of one value. Shared shapes are described where the schema says so."""
    if commented:
        yield from _comment(node)
    target = source.shape(node) or node
    opened = "properties" in target and "default" not in node and "default" not in target
    if not opened:
        yield from _dump(name, source.default(node))
        return
    yield f"{name}:"
    inside = "$ref" not in node or bool(node.get("commented"))
    for child_name, child in target["properties"].items():
        if source.has_default(child):
            lines = _entry(child_name, child, source, commented=inside)
            yield from (f"  {line}" for line in lines)


def _comment(node: Node) -> Iterator[str]:
    for line in textwrap.wrap(node["description"], WIDTH - 12, break_on_hyphens=False):
        yield f"# {line}"


def _dump(name: str, value: Any) -> Iterator[str]:  # Any: a JSON value
    if value and isinstance(value, dict | list):
        yield from _collection({name: value}).splitlines()
    else:
        yield f"{name}: {json.dumps(value)}"


def _collection(value: Any) -> str:  # Any: a JSON value
    """Collections of scalars in one line where they fit, in block style otherwise."""
    flow = _yaml(value, flow=None)
    return (
        flow if all(len(line) <= WIDTH for line in flow.splitlines()) else _yaml(value, flow=False)
    )


def _yaml(value: Any, *, flow: bool | None) -> str:  # Any: a JSON value
    return yaml.safe_dump(value, default_flow_style=flow, sort_keys=False, width=10_000)
