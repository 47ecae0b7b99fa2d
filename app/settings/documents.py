"""Options and limits for reading documents, PDF files and web sites."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from app.settings.group import MEBIBYTE, Group


class DocumentSettings(Group):
    """Reading documents, and splitting them into chunks."""

    chunk_tokens: int = Field(
        512,
        validation_alias="CELERIAC_CHUNK_TOKENS",
        ge=16,
        le=8192,
        description="Maximum tokens (o200k) of a chunk. The default suits common embedding models.",
    )
    chunk_overlap_tokens: int = Field(
        64,
        validation_alias="CELERIAC_CHUNK_OVERLAP_TOKENS",
        ge=0,
        description="Maximum tokens of the overlap with the chunk before; at most half of a chunk.",
    )
    memory_limit_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_DOCUMENT_MEMORY_BYTES",
        ge=256 * MEBIBYTE,
        description="Address space of the child process that reads one document.",
    )
    time_limit_s: int = Field(
        600,
        validation_alias="CELERIAC_DOCUMENT_TIME_S",
        gt=0,
        description="Time limit of that child.",
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
    """Limits of every crawl of a web site, whatever its job asks for."""

    page_limit: int = Field(
        2000,
        validation_alias="CELERIAC_WEBSITE_PAGES",
        gt=0,
        description="Maximum number of pages that one job requests.",
    )
    depth_limit: int = Field(
        20,
        validation_alias="CELERIAC_WEBSITE_DEPTH",
        ge=0,
        description="Maximum link depth.",
    )
    delay_s: float = Field(
        0.5,
        validation_alias="CELERIAC_WEBSITE_DELAY_S",
        ge=0,
        description="Delay between two requests to one host, in seconds. A longer `Crawl-"
        "delay` in robots.txt takes precedence.",
    )
    page_limit_bytes: int = Field(
        5 * MEBIBYTE,
        validation_alias="CELERIAC_WEBSITE_PAGE_BYTES",
        gt=0,
        description="A larger page is skipped.",
    )
    page_time_s: float = Field(
        60.0,
        validation_alias="CELERIAC_WEBSITE_PAGE_S",
        gt=0,
        description="A page that takes longer to arrive is skipped.",
    )
    reading_time_s: int = Field(
        20,
        validation_alias="CELERIAC_WEBSITE_READING_S",
        gt=0,
        description="Processor time to read one page.",
    )
    time_limit_s: float = Field(
        20 * 60.0,
        validation_alias="CELERIAC_WEBSITE_S",
        gt=0,
        description="A crawl ends after this time with the pages it has. Keep it below the "
        "time limit of the queue.",
    )
    memory_limit_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_WEBSITE_MEMORY_BYTES",
        ge=256 * MEBIBYTE,
        description="Address space of the child process that reads the pages of one crawl.",
    )


class PdfSettings(Group):
    """Options and limits for reading PDF files."""

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
        description="Time limit of that child. Keep it below the time limit of the queue `pdf`.",
    )
    page_cpu_s: int = Field(
        60,
        validation_alias="CELERIAC_PDF_PAGE_CPU_S",
        gt=0,
        description="Processor time that one page may take. A PDF with a page that needs more is "
        "refused.",
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
        description="A PDF with more objects (texts, paths, images) on one page is refused.",
    )
    image_limit: int = Field(
        500,
        validation_alias="CELERIAC_PDF_IMAGES",
        ge=0,
        description="Maximum number of images stored per PDF; further ones are counted.",
    )
    image_bytes_limit: int = Field(
        256 * MEBIBYTE,
        validation_alias="CELERIAC_PDF_IMAGE_BYTES",
        ge=0,
        description="Maximum total size of these images; further ones are counted.",
    )
    image_pixel_limit: int = Field(
        100_000_000,
        validation_alias="CELERIAC_PDF_IMAGE_PIXELS",
        gt=0,
        description="A PDF with a larger image is refused if its images are extracted.",
    )
    inline_characters: int = Field(
        100_000,
        validation_alias="CELERIAC_PDF_INLINE_CHARACTERS",
        ge=0,
        description="A longer text becomes an artifact instead of part of the result.",
    )
    has_cache: bool = Field(
        default=True,
        validation_alias="CELERIAC_PDF_CACHE",
        description="Cache OCR results in CACHE_DIR, and reuse them for the same file and options.",
    )
    ocr_languages: str = Field(
        "eng",
        validation_alias="CELERIAC_OCR_LANGUAGES",
        pattern=r"^\w+(\+\w+)*$",
        description="Default OCR languages, as tesseract names them (`eng+deu`).",
    )
    ocr_dpi: int = Field(
        300,
        validation_alias="CELERIAC_OCR_DPI",
        ge=70,
        le=600,
        description="Resolution at which a page is rendered for OCR, in dots per inch.",
    )
    tessdata_dir: Path | None = Field(
        None,
        validation_alias="CELERIAC_TESSDATA_DIR",
        description="Folder with `*.traineddata`. Default: English only, from the wheel.",
    )
