"""Values that can be found again: each leaf of the schema with a text or number of its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.chart.rendering import Manifest

_FIRST_NUMBER = 20_001


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Values for a rendering, and what to look for in it by the path of the value."""

    schema: Manifest
    skipped: frozenset[str]
    """Paths (and what is below them) that get no value."""
    marks: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(_FIRST_NUMBER))

    def values(self) -> Manifest:
        """Values for everything that can hold a text or a number. Fills `marks`."""
        made = self._object(self.schema, "")
        assert isinstance(made, dict), "the schema is one of an object"
        return made

    def _object(self, node: Manifest, path: str) -> Manifest:
        made = {}
        for name, child in node.get("properties", {}).items():
            value = self._value(child, f"{path}.{name}" if path else name)
            if value is not None:
                made[name] = value
        return made

    def _value(self, node: Manifest, path: str) -> Any:  # Any: a JSON value
        node = self._resolved(node)
        if path in self.skipped or path.rpartition(".")[2] in self.skipped:
            return None
        if "enum" in node:
            return node["enum"][0]
        if node.get("properties"):
            return self._object(node, path)
        kind = node.get("type")
        kinds = kind if isinstance(kind, list) else [kind]
        if "object" in kinds:
            return self._map(node, path)
        if "array" in kinds:
            return [self._item(node, path)]
        return self._scalar(node, path, kinds)

    def _resolved(self, node: Manifest) -> Manifest:
        if "$ref" in node:
            node = self.schema["$defs"][node["$ref"].rpartition("/")[2]]
        for choice in node.get("anyOf", []):
            if choice.get("type") != "null":
                return self._resolved(choice)
        return node

    def _map(self, node: Manifest, path: str) -> Manifest:
        inner = node.get("additionalProperties")
        if isinstance(inner, dict) and "$ref" in inner and "pool" in inner["$ref"]:
            return {path.partition(".")[0]: self._value(inner, f"{path}.*")}
        return {"cpu" if path.endswith(("requests", "limits")) else "sentinel": self._text(path)}

    def _item(self, node: Manifest, path: str) -> Any:  # Any: a JSON value
        items = self._resolved(node.get("items", {}))
        if items.get("properties"):
            return self._object(items, f"{path}.*")
        if items.get("type") == "object":
            return {"name": self._text(path)}
        return self._scalar(items, path, [items.get("type")])

    def _scalar(self, node: Manifest, path: str, kinds: list[Any]) -> Any:  # Any: JSON
        if "boolean" in kinds:
            return None
        if "integer" in kinds or "number" in kinds:
            return self._number(node, path)
        return self._text(path, pattern=node.get("pattern", ""))

    def _number(self, node: Manifest, path: str) -> int:
        lowest, highest = int(node.get("minimum", 0)), int(node.get("maximum", 10**9))
        number = min(next(self._numbers) + (lowest if lowest > _FIRST_NUMBER else 0), highest)
        self.marks[path] = str(number)
        return number

    def _text(self, path: str, *, pattern: str = "") -> str:
        number = next(self._numbers)
        text = next((form % number for part, form in _FORMS.items() if part in pattern), None)
        self.marks[path] = text or f"v{number:09d}"
        return self.marks[path]


_FORMS: Mapping[str, str] = {
    "sha256": "sha256:%064d",
    "KMGTPE": "%dGi",
    "kb|mb|gb": "%dmb",
    "s3|gs|az": "s3://bucket-%d",
    "https://|http://": "https://id-%d.example.com",
}
"""Texts that match a pattern, by a part of it."""
