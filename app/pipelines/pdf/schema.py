"""Parameters and result of a PDF job."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.pipelines.parameters import Flag, exactly_one_of
from app.pipelines.reading_warnings import ReadingWarning

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class PdfParams(BaseModel):
    """The PDF to read: either `upload_id` or `pdf_path`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra=exactly_one_of("upload_id", "pdf_path"),
    )

    upload_id: Text | None = Field(
        None, description="Id of the uploaded file, from `POST /api/v1/uploads`."
    )
    pdf_path: Text | None = Field(
        None, description="Path of a file under STORAGE_DIR, absolute or relative to it."
    )
    extract_images: Flag = Field(default=True, description="Store the pictures as artifacts.")
    language: Annotated[str, StringConstraints(max_length=100)] | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_]+(\+[A-Za-z0-9_]+)*$",
        description="Languages for OCR of pages without text, as tesseract names them (`eng+deu`).",
    )

    @model_validator(mode="after")
    def _names_one_file(self) -> Self:
        if (self.upload_id is None) == (self.pdf_path is None):
            raise ValueError("set either upload_id or pdf_path")
        return self


class PageText(BaseModel):
    """One page."""

    model_config = ConfigDict(frozen=True)

    number: int
    """Counted from 1."""
    chars: int
    is_ocr: bool
    """Whether the text was recognised in a picture of the page."""
    text: str | None
    """None where it is in the artifact instead."""


class FoundImage(BaseModel):
    """One picture, a file of the reader's folder."""

    model_config = ConfigDict(frozen=True)

    file: str
    page: int
    """The first page that shows it."""
    width: int
    height: int
    media_type: str


class ReadPages(BaseModel):
    """What the reader found. The pages with their text are a file beside the pictures."""

    model_config = ConfigDict(frozen=True)

    pages: tuple[PageText, ...]
    """Without their text."""
    images: tuple[FoundImage, ...]
    images_skipped: int
    ocr_engine: str | None
    warnings: tuple[ReadingWarning, ...]


class PageImage(BaseModel):
    """One picture, an artifact of the job."""

    model_config = ConfigDict(frozen=True)

    artifact: str
    page: int
    """The first page that shows it."""
    width: int
    height: int
    media_type: str
    size_bytes: int
    sha256: str


class ReadPdf(BaseModel):
    """What was found."""

    model_config = ConfigDict(frozen=True)

    filename: str
    content_sha256: str
    page_count: int
    chars: int
    ocr_pages: int
    """Pages whose text was recognised."""
    ocr_engine: str | None
    """The engine and its version; None where it was not needed."""
    language: str | None
    """The OCR languages; None where OCR was not needed."""
    pages: tuple[PageText, ...]
    text_artifact: str | None
    """The JSON artifact with the pages and their text, when the text is long."""
    images: tuple[PageImage, ...]
    images_skipped: int
    """Pictures that were left out: too many, too large together, or damaged."""
    warnings: tuple[ReadingWarning, ...]
    """What was left out of the text, guessed or found damaged."""
