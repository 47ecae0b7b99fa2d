"""`docs/reference/values.md` and the chart's README, written from the schema."""

import json
from collections.abc import Iterator

from tools.chart.imported import Node
from tools.chart.source import Source

_LONGEST_DEFAULT = 60

_HEAD = """\
# Values of the chart

Written by `make generate` from `tools/chart/schema`. `helm show values` prints the same with
defaults in place; `values.schema.json` refuses what is not listed here.

- [Shapes that several values share](#shapes): {shapes}
"""

_SHARED = ("pool", "poolAutoscaling", "pod", "image", "resources", "persistence", "service")


def values_page(source: Source) -> str:
    """Every value by its path, then what the shared shapes hold."""
    shapes = ", ".join(f"[`{name}`](#{name.lower()})" for name in _SHARED)
    lines = [_HEAD.format(shapes=shapes), *_values(source), "## Shapes", ""]
    for name in _SHARED:
        shape = source.shapes[name]
        lines += [f"### `{name}`", "", shape["description"], ""]
        lines += [*_table(_rows("", shape["properties"], source)), ""]
    return "\n".join(lines).rstrip() + "\n"


def readme(source: Source, head: str) -> str:
    """The chart's README: what a person writes in `schema/README.md`, then every value."""
    return head.rstrip() + "\n\n## Values\n\n" + "\n".join(_values(source)).rstrip() + "\n"


def _values(source: Source) -> Iterator[str]:
    plain = {k: v for k, v in source.properties.items() if not _inside(v)}
    yield from (*_table(_rows("", plain, source)), "")
    for name, node in source.properties.items():
        if name not in plain:
            yield from (f"### `{name}`", "", node["description"], "")
            yield from (*_table(_rows(f"{name}.", _inside(node), source)), "")


def _inside(node: Node) -> dict[str, Node]:
    """The properties that get lines of their own; those of shared shapes do not."""
    properties: dict[str, Node] = node.get("properties", {})
    return properties


def _rows(prefix: str, properties: dict[str, Node], source: Source) -> Iterator[tuple[str, ...]]:
    for name, node in properties.items():
        path = prefix + name
        inside = _inside(node)
        if inside:
            yield from _rows(f"{path}.", inside, source)
        else:
            yield f"`{path}`", _default(node, source), _described(node)


def _default(node: Node, source: Source) -> str:
    if "default" not in node and not source.has_default(node):
        return ""
    text = json.dumps(source.default(node), ensure_ascii=False)
    return f"`{text}`" if len(text) <= _LONGEST_DEFAULT else "see values.yaml"


def _described(node: Node) -> str:
    shape = node.get("$ref", "").rpartition("/")[2]
    more = f" See [`{shape}`](#{shape.lower()})." if shape in _SHARED else ""
    return str(node["description"]).replace("|", "\\|") + more


def _table(rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield "| Value | Default | What it does |"
    yield "|---|---|---|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
