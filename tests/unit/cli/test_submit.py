from enum import StrEnum
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from app.cli import submit
from app.cli.submit import Parameter, ValueType


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Nested(BaseModel):
    depth: int


class Params(BaseModel):
    url: str = Field(description="Where it is.")
    max_pages: int = Field(10, description="How many.")
    ratio: float | None = None
    is_fast: bool = False
    tags: list[str] = []
    numbers: list[int] = []
    colour: Colour = Colour.RED
    size: Literal["s", "l"] = "s"
    nested: Nested | None = Field(None, description="More.")
    anything: dict[str, int] = {}


def parameter(name: str, value_type: ValueType, help_text: str = "") -> Parameter:
    return Parameter(
        name=name, value_type=value_type, is_required="[required]" in help_text, help=help_text
    )


@pytest.mark.parametrize(
    "want",
    [
        parameter("url", ValueType.TEXT, "Where it is. [required]"),
        parameter("max_pages", ValueType.INTEGER, "How many. [default: 10]"),
        parameter("ratio", ValueType.NUMBER),
        parameter("is_fast", ValueType.BOOLEAN, "[default: False]"),
        parameter("tags", ValueType.TEXTS),
        parameter("numbers", ValueType.JSON, "In JSON."),
        parameter("colour", ValueType.TEXT, "One of red, blue. [default: red]"),
        parameter("size", ValueType.TEXT, "One of s, l. [default: s]"),
        parameter("nested", ValueType.JSON, "More. In JSON."),
        parameter("anything", ValueType.JSON, "In JSON."),
    ],
    ids=lambda found: found.name,
)
def test_each_property_becomes_an_option(want: Parameter) -> None:
    found = {one.name: one for one in submit.parameters(Params.model_json_schema())}
    assert found[want.name] == want


def test_flags_are_spelt_with_dashes() -> None:
    assert parameter("max_pages", ValueType.INTEGER).flag == "--max-pages"


def test_a_kind_without_parameters_has_no_options() -> None:
    class Nothing(BaseModel):
        pass

    assert submit.parameters(Nothing.model_json_schema()) == ()
