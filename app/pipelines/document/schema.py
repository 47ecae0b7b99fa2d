"""Parameters and result of a document job."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.pipelines.parameters import Id, exactly_one_of
from app.pipelines.reading_warnings import ReadingWarning

FileName = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class DocumentParams(BaseModel):
    """The document and its bot: either `upload_id` or `file_path`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra=exactly_one_of("upload_id", "file_path"),
    )

    chatbot_id: Id = Field(description="The bot to add the document to.")
    upload_id: Id | None = Field(
        None, description="Id of the uploaded file, from `POST /api/v1/uploads`."
    )
    file_path: FileName | None = Field(
        None, description="Path of a file under STORAGE_DIR, absolute or relative to it."
    )
    filename: FileName | None = Field(
        None, description="Name of the file. Default: that of the upload or path."
    )
    source_id: Id | None = Field(None, description="The source to replace. Default: a new source.")

    @model_validator(mode="after")
    def _names_one_file(self) -> Self:
        if (self.upload_id is None) == (self.file_path is None):
            raise ValueError("set either upload_id or file_path")
        return self


class Processed(BaseModel):
    """What became of the document. Facts that the format has follow: `pages`, `sheets`, `rows`,
    `tables`, `encoding`, `delimiter`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    source_id: str
    chatbot_id: str
    filename: str
    chunks: int
    characters: int
    tokens: int
    """Summed over the chunks, what they repeat of each other included."""
    content_sha256: str
    warnings: tuple[ReadingWarning, ...] = ()
    """What was left out of the text, guessed or found damaged."""
