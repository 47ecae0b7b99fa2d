"""The stages of the channel pipeline. Called without a job, it submits jobs without a parent."""

from urllib.parse import quote

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import stage
from app.jobs.model.work import Work
from app.pipelines.channel.schema import ChannelParams
from app.pipelines.playlist.schema import FannedOut, PlaylistResult


def address_of(query: str, *, limit: int, search: str) -> str:
    """The query itself when it is a URL; else the search URL for its words.

    >>> address_of("https://example.org/@ann", limit=5, search="ytsearch{limit}:{query}")
    'https://example.org/@ann'
    >>> address_of("red cars", limit=5, search="ytsearch{limit}:{query}")
    'ytsearch5:red cars'
    >>> address_of("a&b", limit=5, search="https://example.org/feed?q={query}&n={limit}")
    'https://example.org/feed?q=a%26b&n=5'
    """
    if is_address(query):
        return query
    words = quote(query, safe="") if is_address(search) else query
    return search.replace("{limit}", str(limit)).replace("{query}", words)


def is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


@stage(
    "scrape_youtube",
    queue="youtube",
    progress=(0.0, 5.0),
    workspace=False,
    positional=("query", "limit", "extract_frames", "prefer_captions", "languages"),
)
def scrape_youtube(params: ChannelParams, work: Work) -> FannedOut:
    from app.pipelines.playlist import fan_out  # yt-dlp takes a second to import

    address = address_of(params.query, limit=params.limit, search=work.settings.sites.search_url)
    return fan_out.fan_out(address, params, work, limit=params.limit)


@stage(
    "gather_channel",
    queue="youtube",
    progress=(99.0, 100.0),
    after_children=True,
    workspace=False,
)
def gather_channel(fanned_out: FannedOut, work: Work) -> PlaylistResult:
    from app.pipelines.playlist import fan_out  # yt-dlp takes a second to import

    return fan_out.count_results(fanned_out, work)


PIPELINE = Pipeline(
    kind="channel",
    summary="Process each video of a channel or search as a separate job",
    params=ChannelParams,
    stages=(scrape_youtube, gather_channel),
)
