"""The stage of the website pipeline."""

from app.jobs.model.job import Job
from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import finalizer, stage
from app.jobs.model.work import Work
from app.pipelines import source_progress
from app.pipelines.website.schema import Crawled, WebsiteParams


@stage("scrape_website", queue="websites", positional=("source_id", "url", "chatbot_id"))
def scrape_website(params: WebsiteParams, work: Work) -> Crawled:
    from app.pipelines.website import crawl_stage  # the splitter, which other workers do not need

    return crawl_stage.process(params, work)


@finalizer("abandon_website", queue="websites")
def abandon_website(job: Job, work: Work) -> None:
    """Mark the source of a job that failed or was cancelled."""
    source_progress.fail_unfinished(job, work)


PIPELINE = Pipeline(
    kind="website",
    summary="Split the pages of a web site into chunks for retrieval",
    params=WebsiteParams,
    stages=(scrape_website,),
    finalizer=abandon_website,
)
