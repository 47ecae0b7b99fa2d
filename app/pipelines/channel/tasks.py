"""The stages of the channel pipeline. As plain Celery the jobs have no parent."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import stage
from app.jobs.model.work import Work
from app.pipelines.channel import search
from app.pipelines.channel.schema import ChannelParams
from app.pipelines.playlist.schema import FannedOut, Gathered


@stage(
    "scrape_youtube",
    queue="youtube",
    progress=(0.0, 5.0),
    workspace=False,
    positional=("query", "limit", "extract_frames", "prefer_captions", "languages"),
)
def scrape_youtube(params: ChannelParams, work: Work) -> FannedOut:
    from app.pipelines.playlist import fan_out  # yt-dlp takes a second to import

    address = search.address_of(
        params.query, limit=params.limit, search=work.platform.settings.sites.search_url
    )
    return fan_out.fan_out(address, params, work, limit=params.limit)


@stage(
    "gather_channel",
    queue="youtube",
    progress=(99.0, 100.0),
    after_children=True,
    workspace=False,
)
def gather_channel(fanned_out: FannedOut, work: Work) -> Gathered:
    from app.pipelines.playlist import fan_out  # yt-dlp takes a second to import

    return fan_out.gather(fanned_out, work)


PIPELINE = Pipeline(
    kind="channel",
    summary="Each video of a channel or a search as a job of its own",
    params=ChannelParams,
    stages=(scrape_youtube, gather_channel),
)
