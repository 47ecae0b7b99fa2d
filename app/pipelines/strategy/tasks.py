"""The stage of the strategy pipeline."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import stage
from app.jobs.model.work import Work
from app.pipelines.strategy.schema import Strategy, StrategyParams


@stage(
    "extract_trading_strategy",
    queue="llm",
    positional=("content", "content_type", "model", "upload_id"),
)
def extract_trading_strategy(params: StrategyParams, work: Work) -> Strategy:
    from app.pipelines.strategy import extract  # the models' library takes 2 s to import

    return extract.extract(params, work)


PIPELINE = Pipeline(
    kind="strategy",
    summary="Extract the rules of a trading strategy from a text, with a quote for each",
    params=StrategyParams,
    stages=(extract_trading_strategy,),
)
