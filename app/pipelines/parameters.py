"""Types of parameters, and rules between them, that several pipelines and the API share.

Each accepts exactly what its JSON schema says: pydantic alone would also take `"5"` for 5 and 0 for
false, and rules that are checked in code would be missing from the schema.
"""

from typing import Annotated, Any

from pydantic import (
    AnyHttpUrl,
    BeforeValidator,
    Field,
    StrictBool,
    StringConstraints,
    UrlConstraints,
)

NOT_BLANK: dict[str, Any] = {"pattern": r"\S"}  # Any: JSON schema
"""JSON schema of text from which surrounding white space is removed, and which must not be empty
then."""

Id = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    Field(json_schema_extra=NOT_BLANK),
]

Flag = StrictBool


def _is_number(given: object) -> object:
    if isinstance(given, str | bool):
        raise ValueError("must be a number")
    return given


NOT_TEXT = BeforeValidator(_is_number)
"""For numbers. It stands last in `Annotated`, or the limits before it are lost in JSON schema."""

WebAddress = Annotated[AnyHttpUrl, UrlConstraints(max_length=2000)]
"""The limit applies to the canonical form too, which may be longer than what was given."""


def exactly_one_of(*names: str) -> dict[str, Any]:  # Any: JSON schema
    """JSON schema of the rule that exactly one of these text fields is given and not null.

    >>> exactly_one_of("content", "upload_id")["oneOf"][0]
    {'required': ['content'], 'properties': {'content': {'type': 'string'}}}
    """
    text = {"type": "string"}
    return {"oneOf": [{"required": [name], "properties": {name: text}} for name in names]}
