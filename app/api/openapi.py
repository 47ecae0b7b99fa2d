"""The OpenAPI document, where FastAPI's own needs a word more."""

from typing import Any

from fastapi import FastAPI

from app.api import problem

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
