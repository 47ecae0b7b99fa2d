"""How documents, PDF files and web sites become text, and how much of them."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from app.settings.group import MEBIBYTE, Group


class DocumentSettings(Group):
    """How documents are read and cut into chunks."""

    chunk_tokens: int = Field(
        512,
        validation_alias="CELERIAC_CHUNK_TOKENS",
        ge=16,
        le=8192,
        description="Most tokens (o200k) of a chunk: what common embedding models take.",
    )
    chunk_overlap_tokens: int = Field(
        64,
        validation_alias="CELERIAC_CHUNK_OVERLAP_TOKENS",
        ge=0,
        description="Most tokens that a chunk repeats of the one before; at most half of a chunk.",
    )
    memory_limit_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_DOCUMENT_MEMORY_BYTES",
        ge=256 * MEBIBYTE,
        description="Address space of the child process that reads one document.",
    )
    time_limit_s: int = Field(
        600, validation_alias="CELERIAC_DOCUMENT_TIME_S", gt=0, description="Of that child."
    )
    page_limit: int = Field(
        5000,
        validation_alias="CELERIAC_DOCUMENT_PAGES",
        description="A document with more pages is refused.",
        gt=0,
    )
    character_limit: int = Field(
        50_000_000,
        validation_alias="CELERIAC_DOCUMENT_CHARACTERS",
        description="A document with more text is refused.",
        gt=0,
    )

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if self.chunk_overlap_tokens * 2 > self.chunk_tokens:
            raise ValueError("CELERIAC_CHUNK_OVERLAP_TOKENS is more than half a chunk")
        return self


class WebsiteSettings(Group):
    """How far a crawl of a web site may go, whatever its job asks for."""

    page_limit: int = Field(
        2000,
        validation_alias="CELERIAC_WEBSITE_PAGES",
        gt=0,
        description="Most pages that one job requests.",
    )
    depth_limit: int = Field(
        20,
        validation_alias="CELERIAC_WEBSITE_DEPTH",
        ge=0,
        description="Most links between the first page and any other.",
    )
    delay_s: float = Field(
        0.5,
        validation_alias="CELERIAC_WEBSITE_DELAY_S",
        ge=0,
        description="Pause between two requests to one host, in seconds; a longer `Crawl-delay` of "
        "its robots.txt holds instead.",
    )
    page_limit_bytes: int = Field(
        5 * MEBIBYTE,
        validation_alias="CELERIAC_WEBSITE_PAGE_BYTES",
        gt=0,
        description="A larger page is left out.",
    )
    page_time_s: float = Field(
        60.0,
        validation_alias="CELERIAC_WEBSITE_PAGE_S",
        gt=0,
        description="A page that takes longer to arrive is left out.",
    )
    reading_time_s: int = Field(
        20,
        validation_alias="CELERIAC_WEBSITE_READING_S",
        gt=0,
        description="Processor time that reading one page may take.",
    )
    time_limit_s: float = Field(
        20 * 60.0,
        validation_alias="CELERIAC_WEBSITE_S",
        gt=0,
        description="A crawl ends after this with the pages that it has: within the limit of its "
        "queue, so that they are not lost.",
    )
    memory_limit_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_WEBSITE_MEMORY_BYTES",
        ge=256 * MEBIBYTE,
        description="Address space of the child process that reads the pages of one crawl.",
    )


class PdfSettings(Group):
    """How the pages of PDF files are read, and how much of them."""

    memory_limit_bytes: int = Field(
        1536 * MEBIBYTE,
        validation_alias="CELERIAC_PDF_MEMORY_BYTES",
        ge=512 * MEBIBYTE,
        description="Address space of the child process that reads one PDF.",
    )
    time_limit_s: int = Field(
        1200,
        validation_alias="CELERIAC_PDF_TIME_S",
        gt=0,
        description="Time of that child: less than the time limit of the queue `pdf`.",
    )
    page_limit: int = Field(
        5000,
        validation_alias="CELERIAC_PDF_PAGES",
        gt=0,
        description="A PDF with more pages is refused.",
    )
    character_limit: int = Field(
        50_000_000,
        validation_alias="CELERIAC_PDF_CHARACTERS",
        gt=0,
        description="A PDF with more text is refused.",
    )
    object_limit: int = Field(
        200_000,
        validation_alias="CELERIAC_PDF_PAGE_OBJECTS",
        gt=0,
        description="A PDF with more objects (texts, paths, pictures) on one page is refused.",
    )
    image_limit: int = Field(
        500,
        validation_alias="CELERIAC_PDF_IMAGES",
        ge=0,
        description="Most pictures that are kept of one PDF; further ones are counted.",
    )
    image_bytes_limit: int = Field(
        256 * MEBIBYTE,
        validation_alias="CELERIAC_PDF_IMAGE_BYTES",
        ge=0,
        description="Most bytes that they have together; further ones are counted.",
    )
    image_pixel_limit: int = Field(
        100_000_000,
        validation_alias="CELERIAC_PDF_IMAGE_PIXELS",
        gt=0,
        description="A PDF with a larger picture is refused, where pictures are looked at.",
    )
    inline_characters: int = Field(
        100_000,
        validation_alias="CELERIAC_PDF_INLINE_CHARACTERS",
        ge=0,
        description="A longer text is an artifact and not part of the result.",
    )
    has_cache: bool = Field(
        default=True,
        validation_alias="CELERIAC_PDF_CACHE",
        description="Keep what was recognised in CACHE_DIR, for the same file asked for again.",
    )
    ocr_languages: str = Field(
        "eng",
        validation_alias="CELERIAC_OCR_LANGUAGES",
        pattern=r"^\w+(\+\w+)*$",
        description="What tesseract reads, as it names them (`eng+deu`), where a job does not say.",
    )
    ocr_dpi: int = Field(
        300,
        validation_alias="CELERIAC_OCR_DPI",
        ge=70,
        le=600,
        description="How finely a page is drawn for recognition, in dots an inch.",
    )
    tessdata_dir: Path | None = Field(
        None,
        validation_alias="CELERIAC_TESSDATA_DIR",
        description="Folder of `*.traineddata`; when not set, English alone, from its wheel.",
    )
