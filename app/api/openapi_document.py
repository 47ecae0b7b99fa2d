"""What FastAPI cannot know about the OpenAPI document: access, errors, kinds of jobs, and links.

Everything comes from the tables that the API itself works by, so that the document cannot differ
from it.
"""

import copy
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from app.access.principal import AccessScope
from app.api import openapi, openapi_links, problem
from app.api.middleware.authorization import PUBLIC, Scopes
from app.jobs.model.pipeline import Registry

Json = Any  # a JSON value: the type system has no better word for it

API_KEY = "apiKey"

DESCRIPTION = """\
Requests from the server's own machine need no API key, unless its settings say otherwise. In \
`security`, the role is the scope that a key needs; each scope includes those before it: `read`, \
`submit`, `maintain`, `admin`. What belongs to another owner is answered like what does not exist.

Every error is a problem (RFC 9457). Text must not contain NUL characters or unpaired surrogates, \
and JSON may nest at most 100 levels. Every response has an `X-Request-Id`.
"""

_KEY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, or a token of the OpenID Connect provider.",
}

_WITH_BODY = (400, 413, 422)
_GUARDED = (401, 403, 429)
_ALWAYS = (421, 500, 503)

_REASONS: Mapping[int, str] = {
    400: "The request cannot be parsed.",
    401: "No API key, or one that is unknown, expired or revoked.",
    403: "The scope of the API key is too small, or a page of another site asks.",
    404: "It does not exist.",
    409: "The current state does not allow this.",
    413: "A limit on sizes is exceeded.",
    415: "The body is of another type.",
    416: "The range is outside of the file.",
    421: "The host is not a name of this API.",
    422: "The request is not valid.",
    429: "Too many requests.",
    500: "A server error; the log has details.",
    503: "Temporarily unavailable.",
}

_HEADERS: Mapping[int, tuple[str, str, str]] = {
    401: ("WWW-Authenticate", "string", "The scheme of API keys."),
    429: ("Retry-After", "integer", "Seconds to wait."),
    503: ("Retry-After", "integer", "Seconds to wait."),
}

MORE_ERRORS: Mapping[str, tuple[int, ...]] = {
    "cancel_job": (409,),
    "retry_job": (409,),
    "upload": (415,),
    "upload_document": (415,),
    "get_artifact": (416,),
    "enable_webhook": (404,),
    "submit_batch": (404,),
}
"""Errors of single operations, beside those that follow from what an operation takes."""


def complete(app: FastAPI, registry: Registry, scopes: Scopes, *, needs_key: bool) -> None:
    """Let the application describe itself completely. `registry` has the public kinds of jobs;
    `needs_key` tells that no request is answered without a key, wherever it comes from."""
    describe = app.openapi

    def described() -> dict[str, Json]:
        if app.openapi_schema is None:
            document = copy.deepcopy(describe())
            _describe_operations(document, scopes, needs_key=needs_key)
            _describe_kinds(document["components"]["schemas"], registry)
            openapi_links.add(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI documents it


def _describe_operations(document: dict[str, Json], scopes: Scopes, *, needs_key: bool) -> None:
    document["info"]["description"] = DESCRIPTION
    components = document["components"]
    components["securitySchemes"] = {API_KEY: _KEY_SCHEME}
    components["responses"] = {f"Problem{status}": _error(status) for status in _REASONS}
    for path, method, operation in _operations(document):
        scope = scopes.by_operation[f"{method.upper()} {path}"]
        operation["security"] = _security(scope, needs_key=needs_key)
        _describe_errors(operation, scope)
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = openapi.without_null(parameter["schema"])


def _security(scope: AccessScope | None, *, needs_key: bool) -> list[dict[str, Json]]:
    """The key that an operation needs; an empty requirement beside it makes it optional."""
    if scope is PUBLIC:
        return []
    key = {API_KEY: [scope.value]}
    return [key] if needs_key else [key, {}]


def _operations(document: dict[str, Json]) -> Iterator[tuple[str, str, dict[str, Json]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _error(status: int) -> dict[str, Json]:
    schema = {"$ref": "#/components/schemas/Problem"}
    found = {
        "description": _REASONS[status],
        "content": {problem.MEDIA_TYPE: {"schema": schema}},
    }
    if status in _HEADERS:
        name, kind, description = _HEADERS[status]
        found["headers"] = {name: {"description": description, "schema": {"type": kind}}}
    return found


def _describe_errors(operation: dict[str, Json], scope: AccessScope | None) -> None:
    """The errors that the operation answers with, instead of FastAPI's `default`."""
    operation["responses"].pop("default")
    for status in sorted(set(_errors(operation, scope))):
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/Problem{status}"}


def _errors(operation: dict[str, Json], scope: AccessScope | None) -> Iterator[int]:
    yield from _ALWAYS
    if scope is not PUBLIC:
        yield from _GUARDED
    if "requestBody" in operation:
        yield from _WITH_BODY
    parameters = operation.get("parameters", ())
    if parameters:
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    name = operation["operationId"]
    if name.startswith("submit_") or any(one["in"] == "path" for one in parameters):
        yield HTTPStatus.NOT_FOUND
    yield from MORE_ERRORS.get(name, ())


def _describe_kinds(schemas: dict[str, Json], registry: Registry) -> None:
    """The kinds of jobs in batches and follow-ups, with the parameters of each in batches. Those of
    follow-ups may contain placeholders."""
    schemas["BatchItem"]["properties"]["kind"] = {"type": "string", "enum": sorted(registry)}
    schemas["BatchItem"]["oneOf"] = [
        {"properties": {"kind": {"const": kind}, "params": _params(schemas, registry, kind)}}
        for kind in sorted(registry)
    ]
    follow_up = schemas["FollowUpBody"]["properties"]["kind"]
    follow_up["anyOf"] = [{"type": "string", "enum": sorted(registry)}, {"type": "null"}]


def _params(schemas: dict[str, Json], registry: Registry, kind: str) -> dict[str, Json]:
    name = registry[kind].params.__name__
    if name not in schemas:
        raise LookupError(f"the document has no schema {name} of the kind {kind!r}")
    return {"$ref": f"#/components/schemas/{name}"}
