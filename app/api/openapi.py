"""The OpenAPI document, the page that shows it, and the home page of a server.

Nothing comes from another server: a cluster may have no way to the internet, and a page that loads
scripts of others runs them beside an API that has no key.
"""

import html
from importlib import metadata, resources
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse

from app.api import problem
from app.errors import NotFound

Json = Any  # a JSON value: the type system has no better word for it

Responses = dict[int | str, dict[str, Json]]
"""What a route answers beside its success, as FastAPI takes it."""


def describe_problems(app: FastAPI) -> None:
    """Make the document say that problems are `application/problem+json`."""
    describe = app.openapi

    def described() -> dict[str, Json]:
        if app.openapi_schema is None:
            app.openapi_schema = with_problem_media_type(describe())
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # the way that FastAPI documents


def with_problem_media_type(document: dict[str, Json]) -> dict[str, Json]:
    """The document with the media type of every response that is not a success put right."""
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                if not status.startswith(("2", "3")) and "application/json" in content:
                    content[problem.MEDIA_TYPE] = content.pop("application/json")
    return document


VIEWER = "fastapi_offline"
"""The package that brings Swagger UI's files."""

SCRIPT, STYLES = "swagger-ui-bundle.js", "swagger-ui.css"

WITHOUT_ICON = "data:,"

PLACES = (
    ("docs", "the live reference: every route, to be tried out"),
    ("openapi.json", "the OpenAPI document"),
    ("api/v1/jobs", "jobs, newest first"),
    ("api/v1/pipelines", "the kinds of jobs"),
    ("api/v1/queues", "what the queues hold"),
    ("api/v1/pools", "the pools of worker processes"),
    ("api/v1/schedules", "jobs that begin by the clock"),
    ("readyz", "whether everything that the API needs answers"),
    ("metrics", "metrics for Prometheus"),
)

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
def home() -> HTMLResponse:
    """Where things are. Addresses are relative: a proxy may serve this below a path of its own."""
    links = "\n".join(
        f'<li><a href="{path}">/{path}</a> {html.escape(what)}</li>' for path, what in PLACES
    )
    return HTMLResponse(_HOME.format(version=metadata.version("celeriac"), links=links))


@router.get("/docs")
def docs() -> HTMLResponse:
    """Swagger UI. Its validator of the document, which is a server of somebody else, is off."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Celeriac",
        swagger_js_url=f"docs/{SCRIPT}",
        swagger_css_url=f"docs/{STYLES}",
        swagger_favicon_url=WITHOUT_ICON,
        swagger_ui_parameters={"validatorUrl": None},
    )


@router.get("/docs/{name}")
def asset(name: str) -> FileResponse:
    """A file of Swagger UI."""
    if name not in (SCRIPT, STYLES):
        raise NotFound(f"no file {name!r}")
    with resources.as_file(resources.files(VIEWER) / "static" / name) as path:
        return FileResponse(path)


_HOME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Celeriac</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem }}
li {{ margin: .25rem 0 }}
code, a {{ font-family: ui-monospace, monospace }}
</style>
<h1>Celeriac {version}</h1>
<p>The API of a worker platform for Celery. On the command line: <code>celeriac --help</code>.</p>
<ul>
{links}
</ul>
</html>
"""
