"""The stage of the callback pipeline."""

from app.jobs.model.job import JsonObject
from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import stage
from app.jobs.model.work import Work
from app.jobs.store import callbacks
from app.pipelines.callback.schema import CallbackParams


@stage(callbacks.TASK, queue="notifications", workspace=False)
def deliver_callback(params: CallbackParams, work: Work) -> JsonObject:
    from app.pipelines.callback import call  # the HTTP client, which the API does not need

    return call.call(params, work).model_dump(mode="json", exclude_none=True)


PIPELINE = Pipeline(
    kind=callbacks.KIND,
    summary="Run a callback of a job that has ended",
    params=CallbackParams,
    stages=(deliver_callback,),
    max_attempts=callbacks.ATTEMPTS,
    is_internal=True,
)
