"""The parameters of a kind of job as options of the command line, from its JSON schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = Any  # a JSON value: the type system has no better word for it
Schema = Mapping[str, Json]


class ValueType(StrEnum):
    """What an option takes."""

    TEXT = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXTS = "array"
    """Given several times, each a text."""
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a kind."""

    name: str
    value_type: ValueType
    is_required: bool
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def parameters(schema: Schema) -> tuple[Parameter, ...]:
    """One for each property of the schema, in its order."""
    required = schema.get("required", ())
    return tuple(
        _parameter(name, _resolved(inner, schema), is_required=name in required)
        for name, inner in schema.get("properties", {}).items()
    )


def _parameter(name: str, schema: Schema, *, is_required: bool) -> Parameter:
    return Parameter(
        name=name,
        value_type=_value_type(schema),
        is_required=is_required,
        help=_help(schema, is_required=is_required),
    )


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema itself: behind a reference, and without the `null` that an optional value adds."""
    reference = schema.get("$ref")
    if reference is not None:
        found = root.get("$defs", {}).get(reference.rpartition("/")[2], {})
        return {**_resolved(found, root), **{k: v for k, v in schema.items() if k != "$ref"}}
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        outer = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**_resolved(choices[0], root), **outer}
    return schema


def _value_type(schema: Schema) -> ValueType:
    declared = schema.get("type")
    if declared == "array":
        is_texts = schema.get("items", {}).get("type") == "string"
        return ValueType.TEXTS if is_texts else ValueType.JSON
    if declared in ("string", "integer", "number", "boolean"):
        return ValueType(declared)
    return ValueType.JSON


def _help(schema: Schema, *, is_required: bool) -> str:
    told = [str(schema.get("description", "")).strip()]
    if "enum" in schema:
        told.append("One of " + ", ".join(map(str, schema["enum"])) + ".")
    if _value_type(schema) is ValueType.JSON:
        told.append("As JSON.")
    if is_required:
        told.append("[required]")
    elif schema.get("default") not in (None, "", [], {}):
        told.append(f"[default: {schema['default']}]")
    return " ".join(part for part in told if part)
