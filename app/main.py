"""The ASGI application: `uvicorn app.main:app`. Composition, and nothing else."""

from functools import cache

import click
from fastapi import FastAPI

from app import celery_app
from app.api import application
from app.errors import CeleriacError
from app.jobs import platform


@cache
def from_environment() -> FastAPI:
    """The API of this process."""
    return application.create_app(platform.of(celery_app.from_environment()))


def __getattr__(name: str) -> FastAPI:
    """`app`, where ASGI servers expect it, made on first access."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return from_environment()
    except CeleriacError as error:
        if click.get_current_context(silent=True) is not None:  # `uvicorn app.main:app`
            raise SystemExit(f"celeriac: {error}") from error
        raise
