"""Finds the pipelines: ours, and those that `CELERIAC_PIPELINES` names."""

import importlib
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence

from app.jobs.model.pipeline import Pipeline, Registry, RegistryError
from app.queues import Queue


def discover(extra_modules: Sequence[str] = ()) -> Registry:
    """Import `tasks` of each folder beside this module, and `extra_modules`; collect the pipelines.

    A module holds `PIPELINE`, or `PIPELINES` when it has several of one subject.
    """
    import app.pipelines as home

    folders = [
        f"{home.__name__}.{found.name}.tasks"
        for found in pkgutil.iter_modules(home.__path__)
        if found.ispkg
    ]
    own = [pipeline for name in folders for pipeline in _pipelines_of(name)]
    return Registry([*own, *_extra_pipelines(extra_modules)])


def queues_with(extra_modules: Sequence[str]) -> Mapping[str, Queue]:
    """The declared queues and those that these modules bring. Our own pipelines bring none."""
    return Registry(_extra_pipelines(extra_modules)).queues


def _extra_pipelines(modules: Sequence[str]) -> list[Pipeline]:
    """Modules may be in the working directory, as those of `celery -A` and of ASGI servers. It
    comes last: it may hold another package `app`."""
    if modules and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    return [pipeline for name in modules for pipeline in _pipelines_of(name)]


def _pipelines_of(module_name: str) -> tuple[Pipeline, ...]:
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the module may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise RegistryError(
            f"the module {module_name!r} of CELERIAC_PIPELINES cannot be imported: {reason}"
        ) from error
    found = getattr(module, "PIPELINES", None) or (getattr(module, "PIPELINE", None),)
    pipelines = tuple(one for one in found if isinstance(one, Pipeline))
    if len(pipelines) < len(found):
        raise RegistryError(f"the module {module_name!r} of CELERIAC_PIPELINES has no PIPELINE")
    return pipelines
