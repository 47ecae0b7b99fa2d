"""The pages of pipelines say what the code says: parameters, tasks, results, settings, errors."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from app import errors
from app import settings as all_settings
from app.jobs.model.pipeline import Pipeline
from app.pipelines import registry
from app.pipelines.chart_image.schema import ChartAnalysis
from app.pipelines.strategy.schema import Strategy
from app.pipelines.video import generate
from app.pipelines.video.schema import Made

PAGES = Path(__file__).parents[3] / "docs" / "pipelines"

PIPELINES = [registry.discover()[kind] for kind in ("strategy", "chart-image", "video")]

RESULTS: list[tuple[str, type[BaseModel]]] = [
    ("strategy", Strategy),
    ("chart-image", ChartAnalysis),
    ("video", Made),
]


def page(kind: str) -> str:
    return (PAGES / f"{kind}.md").read_text()


def part(kind: str, heading: str) -> str:
    return page(kind).split(f"## {heading}\n")[1].split("\n## ")[0]


def first_cells(text: str) -> set[str]:
    """Every name in the first column of the tables."""
    rows = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.kind)
def test_a_page_lists_the_parameters(pipeline: Pipeline) -> None:
    listed = first_cells(part(pipeline.kind, "Parameters").split("\n\nModels are")[0])
    assert listed == set(pipeline.params.model_fields)
    [stage] = pipeline.stages
    assert f"`{stage.task}` on the queue `{stage.queue}`" in page(pipeline.kind)


@pytest.mark.parametrize(("kind", "result"), RESULTS)
def test_a_page_shows_a_whole_result(kind: str, result: type[BaseModel]) -> None:
    shown = re.findall(r"```json\n(.*?)```", page(kind), re.DOTALL)[0].replace('"..."', '"x"')
    parsed = result.model_validate_json(shown)
    assert set(parsed.model_fields_set) == set(result.model_fields)


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.kind)
def test_a_page_names_settings_and_errors_that_there_are(pipeline: Pipeline) -> None:
    known = {
        str(field.validation_alias)
        for group in all_settings.groups()
        for field in group.model_fields.values()
    }
    assert first_cells(part(pipeline.kind, "Settings")) <= known
    assert first_cells(part(pipeline.kind, "Errors")) <= set(vars(errors))


def test_every_setting_of_models_and_videos_is_on_a_page() -> None:
    pages = "".join(page(pipeline.kind) for pipeline in PIPELINES)
    groups = (all_settings.LlmSettings, all_settings.VideoSettings)
    names = [
        str(field.validation_alias) for group in groups for field in group.model_fields.values()
    ]
    assert [name for name in names if f"`{name}`" not in pages] == []


def test_the_exit_codes_of_a_command_are_on_its_page() -> None:
    table = part("video", "A program of your own").split("| Exit code |")[1]
    rows = re.findall(r"^\| ([\d, ]+) \| `(\w+)`", table, re.MULTILINE)
    listed = {int(code): name for codes, name in rows for code in codes.split(",")}
    assert listed == {code: kind.__name__ for code, (kind, _) in generate.EXITS.items()}
