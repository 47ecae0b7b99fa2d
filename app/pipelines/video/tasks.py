"""The video pipeline as a Celery task."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments, workroom
from app.pipelines.video.schema import VideoParams


@shared_task(name="generate_video_task", base=JobTask, bind=True)
def generate_video_task(
    self: JobTask,
    job_id: str | None = None,
    video_id: str | int | None = None,
    pubmed_id: str | int | None = None,
) -> JsonObject:
    """Make the video of a PubMed article; takes the fields of `VideoParams`.

    `job_id` is what older callers send first: a number of their own, of no effect here.
    """
    from app.pipelines.video import generate  # Pillow and HTTP, which other workers do not need

    given = {"video_id": video_id, "pubmed_id": pubmed_id}
    params = arguments.parsed(VideoParams, given)
    with workroom.removed_at_the_end(self.work):
        return generate.generate(params, self.work).model_dump(mode="json")
