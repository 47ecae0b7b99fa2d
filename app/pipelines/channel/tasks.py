"""The channel pipeline as Celery tasks.

As plain Celery `scrape_youtube` submits a job for each video and returns their ids.
"""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments
from app.pipelines.channel import search
from app.pipelines.channel.schema import ChannelParams
from app.pipelines.playlist.schema import FannedOut


@shared_task(name="scrape_youtube", base=JobTask, bind=True)
def scrape_youtube(
    self: JobTask, query: str | None = None, limit: object = None, **more: object
) -> JsonObject:
    """Submit a job for each video of a channel or search; takes the fields of `ChannelParams`."""
    from app.pipelines.playlist import fan_out  # yt-dlp takes a second to import

    given = {"query": query, "limit": limit, **more}
    params = arguments.parsed(ChannelParams, arguments.without_none(given))
    address = search.address_of(
        params.query, limit=params.limit, search=self.work.platform.settings.sites.search_url
    )
    return fan_out.fan_out(address, params, self.work, limit=params.limit).model_dump(mode="json")


@shared_task(name="gather_channel", base=JobTask, bind=True)
def gather_channel(self: JobTask, fanned_out: JsonObject) -> JsonObject:
    """Count what became of the jobs that `scrape_youtube` has submitted."""
    from app.pipelines.playlist import fan_out  # yt-dlp takes a second to import

    found = arguments.parsed(FannedOut, fanned_out)
    return fan_out.gather(found, self.work).model_dump(mode="json")
