"""The stage of the chart-image pipeline."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import stage
from app.jobs.model.work import Work
from app.pipelines.chart_image.schema import ChartAnalysis, ChartImageParams


@stage("analyze_chart_image", queue="llm", positional=("image_path", "model"))
def analyze_chart_image(params: ChartImageParams, work: Work) -> ChartAnalysis:
    from app.pipelines.chart_image import analyze  # the models' library takes 2 s to import

    return analyze.analyze(params, work)


PIPELINE = Pipeline(
    kind="chart-image",
    summary="Analyze a picture of a price chart: instrument, trend, levels, patterns",
    params=ChartImageParams,
    stages=(analyze_chart_image,),
)
