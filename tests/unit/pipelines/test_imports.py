"""What tasks import when they run is known to the stages, so that threads find it imported."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType

import pytest

from app.jobs.model.pipeline import Pipeline, Registry
from app.pipelines import registry

REGISTRY = registry.discover()


def lazy_imports(tasks: ModuleType) -> dict[str, set[str]]:
    """The modules that each task of a module imports in its body, by the task's name."""
    tree = ast.parse(inspect.getsource(tasks))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {name: set(_imported(node)) for node in functions for name in _task_names(node)}


def _task_names(function: ast.FunctionDef) -> Iterator[str]:
    """The name in the decorator. The task itself would look for it in whatever application is
    current."""
    for decorator in function.decorator_list:
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
            if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                yield str(keyword.value.value)


def _imported(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("pipeline", REGISTRY.values(), ids=REGISTRY)
def test_a_stage_names_what_its_task_imports(pipeline: Pipeline) -> None:
    lazy = lazy_imports(importlib.import_module(pipeline.tasks_module))
    own = {stage.task: set(stage.imports) for stage in pipeline.all_stages}
    assert {task: names for task, names in own.items() if task in lazy} == {
        task: names for task, names in lazy.items() if task in own
    }


def test_a_worker_imports_what_the_stages_of_its_queues_need() -> None:
    assert set(REGISTRY.imports_of({"llm"})) == {
        "app.pipelines.chart_image.analyze",
        "app.pipelines.strategy.extract",
    }
    assert Registry([]).imports_of({"llm"}) == ()
