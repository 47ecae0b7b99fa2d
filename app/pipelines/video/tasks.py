"""The stage of the video pipeline."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import stage
from app.jobs.model.work import Work
from app.pipelines.video.schema import Made, VideoParams


@stage(
    "generate_video_task",
    queue="videos",
    positional=("job_id", "video_id", "pubmed_id"),
    ignored=("job_id",),  # older callers' own number
)
def generate_video_task(params: VideoParams, work: Work) -> Made:
    from app.pipelines.video import generate  # Pillow and HTTP, which other workers do not need

    return generate.generate(params, work)


PIPELINE = Pipeline(
    kind="video",
    summary="Make a narrated video of a PubMed article's abstract",
    params=VideoParams,
    stages=(generate_video_task,),
)
