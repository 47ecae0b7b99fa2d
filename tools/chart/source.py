"""The chart's schema, put together from `schema/` and the code.

A source file holds the properties of `values.yaml` in order. Beside JSON Schema's own words it has:

- `$import: NAME` takes a part that the code states (`imported.parts`);
- `overrides` beside a `$ref` changes default or description of some of the shape's properties;
- `commented: true` beside a `$ref` has values.yaml describe each of the shape's properties.

Every object is closed: what is not named is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.chart import imported
from tools.chart.imported import Node

SCHEMA = Path(__file__).with_name("schema")
_OUR_WORDS = frozenset({"$import", "overrides", "commented"})
_REF = "#/$defs/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The assembled schema: the properties of values.yaml and the shapes that they share."""

    properties: Mapping[str, Node]
    shapes: Mapping[str, Node]

    def shape(self, node: Node) -> Node | None:
        """The shape that a property refers to, with the property's overrides in it."""
        reference = node.get("$ref")
        if reference is None:
            return None
        shape = self.shapes[reference.removeprefix(_REF)]
        overrides: Mapping[str, Node] = node.get("overrides", {})
        if not overrides:
            return shape
        own = shape["properties"]
        return {
            **shape,
            "properties": {name: {**own[name], **overrides.get(name, {})} for name in own},
        }

    def default(self, node: Node) -> Any:  # Any: a JSON value
        """The value that stands in values.yaml. KeyError where there is none."""
        if "default" in node:
            return node["default"]
        target = self.shape(node) or node
        if "default" in target:
            return target["default"]
        return {
            name: self.default(child)
            for name, child in target["properties"].items()
            if self.has_default(child)
        }

    def has_default(self, node: Node) -> bool:
        target = self.shape(node) or node
        return "default" in node or "default" in target or "properties" in target


def load() -> Source:
    """Read `schema/` and resolve its imports."""
    shapes = {**_read(SCHEMA / "shapes.yaml"), **imported.spec_shapes()}
    parts = imported.parts(
        pool_extras=_read(SCHEMA / "pools.yaml"),
        pool_defaults=Source(properties={}, shapes=shapes).default(shapes["pool"]),
    )
    properties: dict[str, Node] = {}
    for path in sorted(SCHEMA.glob("[0-9]*.yaml")):
        properties |= _read(path)
    return Source(
        properties={name: _resolved(node, parts) for name, node in properties.items()},
        shapes={name: _resolved(node, parts) for name, node in shapes.items()},
    )


def json_schema(source: Source) -> Node:
    """`values.schema.json`: every object closed, every value described."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the celeriac chart",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "global": {"type": "object", "description": "Helm's values for all charts. Not used."},
            **{name: _closed(node, source) for name, node in source.properties.items()},
        },
        "$defs": {name: _closed(node, source) for name, node in source.shapes.items()},
    }


def _read(path: Path) -> dict[str, Node]:
    loaded: dict[str, Node] = yaml.safe_load(path.read_text())
    return loaded


def _resolved(node: Any, parts: Mapping[str, Node]) -> Any:  # Any: a JSON value, walked
    if isinstance(node, list):
        return [_resolved(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    merged = {**parts[node["$import"]], **node} if "$import" in node else node
    return {key: _resolved(value, parts) for key, value in merged.items() if key != "$import"}


def _closed(node: Node, source: Source) -> Node:
    closed = {key: value for key, value in node.items() if key not in _OUR_WORDS}
    if "overrides" in node:
        closed["default"] = source.default(node)
    if "properties" in node:
        closed["type"] = node.get("type", "object")
        closed["properties"] = {k: _closed(v, source) for k, v in node["properties"].items()}
        closed["additionalProperties"] = False
    elif isinstance(node.get("additionalProperties"), dict):
        closed["additionalProperties"] = _closed(node["additionalProperties"], source)
    return closed
