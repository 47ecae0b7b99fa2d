"""Every route explains itself, and the OpenAPI document is in plain words."""

from collections.abc import Iterator
from typing import Any

from app import celery_app
from app.api import application
from app.jobs import platform
from app.pipelines import registry
from app.settings import Settings
from tests import plain_words

Json = Any  # a JSON value

METHODS = {"get", "post", "put", "patch", "delete"}


def document() -> Json:
    home = platform.of(celery_app.create(Settings(), registry.discover(())))
    return application.create_app(home).openapi()


def descriptions(value: Json, path: str) -> Iterator[tuple[str, str]]:
    """Every summary and description below a value, with its path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("summary", "description") and isinstance(inner, str):
                yield f"{path}/{name}", inner
            else:
                yield from descriptions(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from descriptions(inner, f"{path}/{number}")


def test_every_route_has_a_description() -> None:
    routes = [
        (f"{method} {path}", operation)
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    ]
    assert len(routes) > 30
    undescribed = [
        name
        for name, operation in routes
        if not operation.get("description") and not operation["operationId"].startswith("submit_")
    ]
    assert undescribed == []


def test_the_document_is_plain() -> None:
    found = {path: plain_words.avoided(text) for path, text in descriptions(document(), "")}
    assert len(found) > 300
    assert {path: words for path, words in found.items() if words} == {}
