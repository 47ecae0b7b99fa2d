"""Where the pipelines are found."""

import importlib
import pkgutil
from collections.abc import Sequence

from app.jobs.pipeline import Pipeline, Registry, RegistryError


def discover(extra_modules: Sequence[str] = ()) -> Registry:
    """Import the folders beside this module and `extra_modules`, and collect their `PIPELINE`."""
    import app.pipelines as home

    folders = [
        f"{home.__name__}.{found.name}"
        for found in pkgutil.iter_modules(home.__path__)
        if found.ispkg
    ]
    return Registry([_pipeline_of(name) for name in (*folders, *extra_modules)])


def _pipeline_of(module_name: str) -> Pipeline:
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise RegistryError(f"no module {module_name!r} for a pipeline: {error}") from error
    pipeline = getattr(module, "PIPELINE", None)
    if not isinstance(pipeline, Pipeline):
        raise RegistryError(f"module {module_name!r} exports no PIPELINE")
    return pipeline
