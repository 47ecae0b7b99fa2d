"""What the OpenAPI document says beside what FastAPI knows."""

import functools
from typing import Any

import pytest

from app import celery_app
from app.api import application
from app.api.middleware import authorization
from app.jobs import platform
from app.jobs.model.pipeline import Registry
from app.pipelines import registry
from app.settings import Settings

Json = Any  # a JSON value


@functools.cache
def document() -> Json:
    """Built once: it takes a second."""
    return build_document()


def build_document() -> Json:
    home = platform.of(celery_app.create(Settings(), registry.discover(())))
    return application.create_app(home).openapi()


def operations(found: Json | None = None) -> dict[str, Json]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in (found or document())["paths"].items()
        for method, operation in methods.items()
    }


def public_kinds() -> Registry:
    return registry.discover(()).public


def test_each_operation_needs_the_scope_that_the_api_checks() -> None:
    checked = authorization.build_scopes(public_kinds()).by_operation
    found = {name: operation["security"] for name, operation in operations().items()}
    assert found == {
        name: [] if checked[name] is None else [{"apiKey": [checked[name]]}, {}] for name in found
    }


def test_a_server_that_guards_the_loopback_documents_that_a_key_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELERIAC_GUARD_LOOPBACK", "true")
    assert operations(build_document())["GET /api/v1/jobs"]["security"] == [{"apiKey": ["read"]}]


def test_errors_are_documented_one_by_one() -> None:
    statuses = {name: set(one["responses"]) for name, one in operations().items()}
    assert all("default" not in found for found in statuses.values())
    assert statuses["POST /api/v1/jobs/{job_id}:cancel"] == {
        *("200", "401", "403", "404", "409", "421", "422", "429", "500", "503")
    }
    assert statuses["GET /healthz"] == {"200", "421", "500", "503"}


def test_a_parameter_is_never_null() -> None:
    parameters = [
        parameter
        for operation in operations().values()
        for parameter in operation.get("parameters", ())
    ]
    assert len(parameters) > 40
    assert [one["name"] for one in parameters if "null" in str(one["schema"].get("anyOf"))] == []


def test_every_link_leads_to_an_operation_and_a_parameter_of_it() -> None:
    known = {operation["operationId"]: operation for operation in operations().values()}
    links = [
        link
        for operation in known.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert len(links) > 100
    for link in links:
        names = {one["name"] for one in known[link["operationId"]].get("parameters", ())}
        assert set(link.get("parameters", ())) <= names


@pytest.mark.parametrize("kind", sorted(public_kinds()))
def test_a_batch_takes_the_parameters_of_each_kind(kind: str) -> None:
    item = document()["components"]["schemas"]["BatchItem"]
    assert kind in item["properties"]["kind"]["enum"]
    (own,) = [one for one in item["oneOf"] if one["properties"]["kind"] == {"const": kind}]
    single = operations()[f"POST /api/v1/jobs/{kind}"]["requestBody"]["content"]
    reference = single["application/json"]["schema"]["$ref"].rpartition("/")[2]
    params = document()["components"]["schemas"][reference]["properties"]["params"]
    assert own["properties"]["params"] == {"$ref": params["$ref"]}
