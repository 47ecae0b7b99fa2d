"""What a channel job is asked for."""

from typing import Annotated

from pydantic import Field, StringConstraints

from app.pipelines.playlist.schema import ENTRY_LIMIT, FanOutOptions

Query = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$"),
]


class ChannelParams(FanOutOptions):
    """Which videos to look for."""

    query: Query = Field(
        description="The address of a channel, playlist or feed, or words to search for."
    )
    limit: Annotated[int, Field(ge=1, le=ENTRY_LIMIT)] = Field(
        10, description="Take so many videos at most."
    )
