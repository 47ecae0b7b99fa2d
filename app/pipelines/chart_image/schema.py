"""Parameters and result of a chart-image job."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.pipelines.parameters import Id, exactly_one_of
from app.pipelines.strategy.schema import ModelName, Usage

Path = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class ChartImageParams(BaseModel):
    """The picture to analyze: either `upload_id` or `image_path`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra=exactly_one_of("upload_id", "image_path"),
    )

    upload_id: Id | None = Field(
        None, description="Id of the uploaded file, from `POST /api/v1/uploads`."
    )
    image_path: Path | None = Field(
        None, description="Path of a picture under STORAGE_DIR, absolute or relative to it."
    )
    model: ModelName | None = Field(
        None, description="The model, such as `claude-sonnet-4`. Default: CELERIAC_LLM_MODEL."
    )

    @model_validator(mode="after")
    def _names_one_picture(self) -> Self:
        if (self.upload_id is None) == (self.image_path is None):
            raise ValueError("set either upload_id or image_path")
        return self


class Trend(StrEnum):
    """Direction of the price over the whole picture."""

    UP = "up"
    DOWN = "down"
    SIDEWAYS = "sideways"
    UNCLEAR = "unclear"


class LevelKind(StrEnum):
    """Effect of a level on the price."""

    SUPPORT = "support"
    RESISTANCE = "resistance"
    OTHER = "other"


Share = Annotated[float, Field(ge=0, le=1)]


class PriceLevel(BaseModel):
    """A price level of interest."""

    model_config = ConfigDict(frozen=True)

    kind: LevelKind
    price: float = Field(description="As the chart's axis has it.", allow_inf_nan=False)
    note: str = Field("", max_length=500, description="Why it matters, in a few words.")


class Pattern(BaseModel):
    """A pattern in the chart."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=1000, description="Where it is and what it suggests.")
    confidence: Share


class ChartReading(BaseModel):
    """The model's reading of a picture of a price chart."""

    model_config = ConfigDict(frozen=True)

    is_chart: bool = Field(description="Whether the picture shows a price chart at all.")
    instrument: str | None = Field(
        None, max_length=200, description="As the picture names it; null when it does not."
    )
    time_frame: str | None = Field(
        None, max_length=100, description="Of one bar, as the picture names it, else null."
    )
    chart_type: str | None = Field(None, max_length=100, description="candlestick, line, bar")
    trend: Trend = Trend.UNCLEAR
    levels: tuple[PriceLevel, ...] = Field((), max_length=50)
    patterns: tuple[Pattern, ...] = Field((), max_length=50)
    indicators: tuple[str, ...] = Field(
        (), max_length=50, description="Drawn in the picture, with their settings if shown."
    )
    summary: str = Field("", max_length=5000, description="Two to four sentences.")
    confidence: Share = Field(description="How sure the whole reading is.")


class ChartPicture(BaseModel):
    """The analyzed picture."""

    model_config = ConfigDict(frozen=True)

    format: str
    width: int
    height: int
    sent_width: int
    sent_height: int
    """Size sent to the model: smaller than the original when that exceeded the limit."""


class ChartAnalysis(ChartReading):
    """The job's result."""

    picture: ChartPicture
    model: str
    """Provider and name of the model."""
    usage: Usage
    cost_usd: float | None
    """By the provider's list prices; null when they are unknown."""
