"""What every view is, and a page of them."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")


class View(BaseModel):
    """Made from the attributes of one of our values, and frozen."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Listing(View, Generic[Item]):
    """A page of a listing."""

    items: tuple[Item, ...]
    next_cursor: str | None = Field(
        None, description="Where the next page begins; null on the last one."
    )
