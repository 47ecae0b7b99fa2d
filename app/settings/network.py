"""What jobs may reach, and how they read the sites that they reach."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from app.settings.group import AT_COMMAS, Group, Names


class FetchSettings(Group):
    """What jobs may reach on the network."""

    allow_private_addresses: bool = Field(
        default=False,
        validation_alias="CELERIAC_ALLOW_PRIVATE_ADDRESSES",
        description="Let jobs fetch from private, loopback and link-local addresses.",
    )
    allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, AT_COMMAS] = Field(
        (),
        validation_alias="CELERIAC_ALLOWED_NETWORKS",
        description="Networks in CIDR notation, separated by commas, that jobs may reach although "
        "they are private: one internal media server, say, and nothing else.",
    )
    allowed_hosts: Names = Field(
        (),
        validation_alias="CELERIAC_ALLOWED_HOSTS",
        description="Host names, separated by commas, that jobs may reach whatever their address "
        "is. Whoever can say where such a name leads decides where jobs may go.",
    )
    timeout_s: float = Field(
        30.0,
        validation_alias="CELERIAC_FETCH_TIMEOUT_S",
        description="The other side may be silent for this long, in seconds.",
        gt=0,
    )
    proxy_url: str | None = Field(
        None,
        validation_alias="CELERIAC_FETCH_PROXY_URL",
        description="An HTTP proxy that all fetching goes through.",
    )


class SiteSettings(Group):
    """How video sites are read."""

    cookies_file: Path | None = Field(
        None,
        validation_alias="CELERIAC_COOKIES_FILE",
        description="Cookies in Netscape's format, as browsers' extensions export them, for pages "
        "that only members see. It is read for each page and never written.",
    )
    proxy_url: SecretStr | None = Field(
        None,
        validation_alias="CELERIAC_SITES_PROXY_URL",
        description="An HTTP proxy for video sites, instead of the one for all fetching.",
    )
    bytes_per_s: int | None = Field(
        None,
        validation_alias="CELERIAC_SITES_BYTES_PER_S",
        gt=0,
        description="Most bytes a second of one download.",
    )
    concurrency: int | None = Field(
        None,
        validation_alias="CELERIAC_SITE_CONCURRENCY",
        gt=0,
        description="Most pages and downloads of one site at a time, over all workers.",
    )
    page_time_s: float = Field(
        300.0,
        validation_alias="CELERIAC_PAGE_TIME_S",
        gt=0,
        description="A page with its captions, or a listing, that takes longer to read is given "
        "up: a server that drips would hold a worker otherwise.",
    )
    search_url: str = Field(
        "ytsearch{limit}:{query}",
        validation_alias="CELERIAC_VIDEO_SEARCH",
        description="What words to search for become: one of yt-dlp's search prefixes, or a URL "
        "that answers with a feed, with `{query}` and `{limit}` in it.",
    )
    entry_limit: int = Field(
        1000,
        validation_alias="CELERIAC_PLAYLIST_LIMIT",
        gt=0,
        description="Most entries that are taken of one playlist.",
    )
    skip_archived: bool = Field(
        default=True,
        validation_alias="CELERIAC_SKIP_ARCHIVED",
        description="Playlists and channels leave out videos that were processed before with the "
        "same options.",
    )

    @field_validator("search_url")
    @classmethod
    def _has_query(cls, value: str) -> str:
        if "{query}" not in value:
            raise ValueError("CELERIAC_VIDEO_SEARCH has no {query} in it")
        return value
