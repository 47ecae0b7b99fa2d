"""Parameters and result of a website job."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.pipelines.parameters import NOT_TEXT, Flag, Id, WebAddress
from app.pipelines.reading_warnings import ReadingWarning

DEFAULT_PAGES = 200
DEFAULT_DEPTH = 5


class WebsiteParams(BaseModel):
    """The site to crawl, its bot, and limits. The server's limits apply as well."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chatbot_id: Id = Field(description="The bot to add the pages to.")
    url: WebAddress = Field(description="The first page. The crawl stays on its site.")
    source_id: Id | None = Field(
        None, description="The source to crawl again. Default: a new source."
    )
    max_pages: Annotated[int, Field(ge=1), NOT_TEXT] = Field(
        DEFAULT_PAGES, description="Maximum number of requested pages."
    )
    max_depth: Annotated[int, Field(ge=0), NOT_TEXT] = Field(
        DEFAULT_DEPTH, description="Maximum link depth."
    )
    ignore_sitemap: Flag = Field(
        default=False, description="Follow only links, not the sitemaps of the site."
    )


class Skip(StrEnum):
    """Why a page was skipped. That is not a failure."""

    ROBOTS = "robots"
    """robots.txt asks not to fetch it."""
    HIDDEN = "hidden"
    """The page asks not to be indexed."""
    NOT_HTML = "not_html"
    OFF_SITE = "off_site"
    """It redirects to another site."""
    DUPLICATE = "duplicate"
    """Another address of a page that is there, or the same text as another one."""
    ALIKE = "alike"
    """Many pages have this text but for its numbers: a calendar without end, say."""
    NO_TEXT = "no_text"


class PageFailure(BaseModel):
    """Why a page, or a sitemap, could not be had."""

    model_config = ConfigDict(frozen=True)

    url: str
    type: str
    message: str


class Crawled(BaseModel):
    """What became of the site: the job's result."""

    model_config = ConfigDict(frozen=True)

    source_id: str
    chatbot_id: str
    url: str
    """Where the crawl began, redirects followed."""
    requested: int
    pages: int
    """Those whose text the bot knows now."""
    unchanged: int
    """Of these, those that are as they were at the crawl before."""
    skipped: dict[Skip, int]
    failed: int
    failures: tuple[PageFailure, ...]
    """The first hundred of them."""
    warnings: tuple[ReadingWarning, ...]
    """What was left out, by reason."""
    is_complete: bool
    """Whether no page was left out for a limit on pages or time."""
    chunks: int
    characters: int
    tokens: int
    content_sha256: str
