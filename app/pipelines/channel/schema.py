"""Parameters of a channel job; its results are those of a playlist."""

from typing import Annotated

from pydantic import Field, StringConstraints

from app.pipelines.parameters import NOT_TEXT
from app.pipelines.playlist.schema import ENTRY_LIMIT, FanOutOptions

Query = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=2000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$"
    ),
]


class ChannelParams(FanOutOptions):
    """The videos to process."""

    query: Query = Field(description="URL of a channel, playlist or feed, or words to search for.")
    limit: Annotated[int, Field(ge=1, le=ENTRY_LIMIT), NOT_TEXT] = Field(
        10, description="Maximum number of videos."
    )
