"""The network access of jobs, and their use of video sites."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from app.settings.group import AT_COMMAS, Group, Names


class FetchSettings(Group):
    """The network access of jobs."""

    allow_private_addresses: bool = Field(
        default=False,
        validation_alias="CELERIAC_ALLOW_PRIVATE_ADDRESSES",
        description="Let jobs fetch from private, loopback and link-local addresses.",
    )
    allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, AT_COMMAS] = Field(
        (),
        validation_alias="CELERIAC_ALLOWED_NETWORKS",
        description="Private networks in CIDR notation, separated by commas, that jobs may "
        "reach: for example one internal media server.",
    )
    allowed_hosts: Names = Field(
        (),
        validation_alias="CELERIAC_ALLOWED_HOSTS",
        description="Host names, separated by commas, that jobs may reach at any address. The"
        " DNS of these names decides what jobs may reach.",
    )
    timeout_s: float = Field(
        30.0,
        validation_alias="CELERIAC_FETCH_TIMEOUT_S",
        description="A request fails after this much silence, in seconds.",
        gt=0,
    )
    min_bytes_per_s: float = Field(
        1024.0,
        validation_alias="CELERIAC_FETCH_MIN_BYTES_PER_S",
        description="A response that is slower than this, in bytes per second, fails after "
        "`CELERIAC_FETCH_TIMEOUT_S`.",
        ge=0,
    )
    proxy_url: str | None = Field(
        None,
        validation_alias="CELERIAC_FETCH_PROXY_URL",
        description="An HTTP proxy for all requests of jobs.",
    )


class SiteSettings(Group):
    """The use of video sites."""

    cookies_file: Path | None = Field(
        None,
        validation_alias="CELERIAC_COOKIES_FILE",
        description="Cookies in Netscape format, as browser extensions export them, for pages"
        " that need a login. Read for each page and never written.",
    )
    proxy_url: SecretStr | None = Field(
        None,
        validation_alias="CELERIAC_SITES_PROXY_URL",
        description="An HTTP proxy for video sites, instead of CELERIAC_FETCH_PROXY_URL.",
    )
    bytes_per_s: int | None = Field(
        None,
        validation_alias="CELERIAC_SITES_BYTES_PER_S",
        gt=0,
        description="Speed limit of one download, in bytes per second.",
    )
    concurrency: int | None = Field(
        None,
        validation_alias="CELERIAC_SITE_CONCURRENCY",
        gt=0,
        description="Maximum number of concurrent pages and downloads per site, over all workers.",
    )
    page_time_s: float = Field(
        300.0,
        validation_alias="CELERIAC_PAGE_TIME_S",
        gt=0,
        description="Time limit for reading a page with its captions, or a listing, in "
        "seconds: a slow server would occupy a worker otherwise.",
    )
    search_url: str = Field(
        "ytsearch{limit}:{query}",
        validation_alias="CELERIAC_VIDEO_SEARCH",
        description="How to search: one of yt-dlp's search prefixes, or the URL of a feed, "
        "with `{query}` and `{limit}`.",
    )
    entry_limit: int = Field(
        1000,
        validation_alias="CELERIAC_PLAYLIST_LIMIT",
        gt=0,
        description="Maximum number of entries of a playlist.",
    )
    skip_archived: bool = Field(
        default=True,
        validation_alias="CELERIAC_SKIP_ARCHIVED",
        description="Playlists and channels skip videos that were processed before with the "
        "same options.",
    )

    @field_validator("search_url")
    @classmethod
    def _has_query(cls, value: str) -> str:
        if "{query}" not in value:
            raise ValueError("CELERIAC_VIDEO_SEARCH has no {query} in it")
        return value
