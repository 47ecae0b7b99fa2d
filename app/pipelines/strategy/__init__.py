"""A trading strategy from what somebody wrote or said, with quotes for each of its rules."""

from app import queues
from app.jobs.model.pipeline import DISCARD_FILES, Pipeline, Stage
from app.pipelines.strategy.schema import StrategyParams

PIPELINE = Pipeline(
    kind="strategy",
    summary="The rules of a trading strategy from a text, each with quotes that prove it",
    params=StrategyParams,
    stages=(
        Stage(
            task="extract_trading_strategy",
            imports=("app.pipelines.strategy.extract",),
            queue=queues.BY_NAME["llm"].name,
        ),
    ),
    finalizer=DISCARD_FILES,
    tasks_module="app.pipelines.strategy.tasks",
)

__all__ = ["PIPELINE"]
