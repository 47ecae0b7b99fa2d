"""What a result says about text that was left out, guessed or damaged."""

from pydantic import BaseModel, ConfigDict

from app.documents.items import Caveat, CaveatCode


class ReadingWarning(BaseModel):
    """One thing that whoever relies on the text should know."""

    model_config = ConfigDict(frozen=True)

    code: CaveatCode
    message: str
    """A sentence for a person."""
    count: int | None = None
    """How many pages, parts, cells or bytes it concerns."""
    pages: tuple[int, ...] = ()
    """The first pages that it concerns, counted from 1."""

    @classmethod
    def of(cls, caveat: Caveat) -> "ReadingWarning":
        return cls(code=caveat.code, message=caveat.message, count=caveat.count, pages=caveat.pages)
