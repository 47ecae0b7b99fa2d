"""Task arguments: JSON from whoever calls, checked where it comes in."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from app.errors import InvalidInput
from app.jobs.model import params
from app.storage import nesting

Model = TypeVar("Model", bound=BaseModel)


def parsed(model: type[Model], values: object) -> Model:
    """The arguments as the model has them. InvalidInput names what is wrong with each."""
    if nesting.is_too_deep(values):
        raise InvalidInput(f"the arguments do not fit: a value {nesting.TOO_DEEP}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = params.describe(error, root="arguments")
        raise InvalidInput(f"the arguments do not fit: {problems}") from error


def without_none(values: Mapping[str, object]) -> dict[str, object]:
    """What the caller has given: the model knows the defaults of the rest."""
    return {name: value for name, value in values.items() if value is not None}
