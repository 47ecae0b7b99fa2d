"""What stages import when they run is known: workers of threads import it when they start."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from app.jobs.model.pipeline import FunctionStage, Registry
from app.pipelines import registry

REGISTRY = registry.discover()


def lazy_imports(tasks: ModuleType) -> dict[str, set[str]]:
    """What the body of each function imports, by the function's name, as the source has it."""
    tree = ast.parse(inspect.getsource(tasks))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {function.name: set(_imported(function)) for function in functions}


def _imported(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("kind", REGISTRY)
def test_a_stage_names_what_its_function_imports(kind: str) -> None:
    functions = [one for one in REGISTRY[kind].all_stages if isinstance(one, FunctionStage)]
    sources = {one.function.__module__: _source(one) for one in functions}
    want = {
        one.task: sources[one.function.__module__].get(one.function.__name__, set())
        for one in functions
    }
    assert {one.task: set(one.imports) for one in functions} == want


def _source(stage: FunctionStage[Any, Any]) -> dict[str, set[str]]:
    return lazy_imports(importlib.import_module(stage.function.__module__))


def test_a_worker_imports_what_the_stages_of_its_queues_need() -> None:
    assert set(REGISTRY.imports_of({"llm"})) == {
        "app.pipelines.chart_image.analyze",
        "app.pipelines.strategy.extract",
    }
    assert Registry([]).imports_of({"llm"}) == ()
