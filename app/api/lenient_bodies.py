"""Requests to the original routes, whose parameters come as JSON, as a form, or in the query.

Their clients are written by hand: `requests` with `json=` or `data=`, `curl -d` and `curl -F`, web
pages. Empty and null values count as missing, because forms send empty fields.
"""

import json
from collections.abc import Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import Any, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from app.api import openapi
from app.api.openapi import Json
from app.errors import InvalidInput

Model = TypeVar("Model", bound=BaseModel)

URL_ENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"

_NO_BODY = b"{}"


def body_of(model: type[Model]) -> Callable[[Request], Coroutine[Any, Any, Model]]:
    """A dependency that reads the model from a request. The body takes precedence."""

    async def read(request: Request) -> Model:
        given = {**_named(request.query_params.multi_items(), model), **await _body(request, model)}
        return _parsed(model, {name: one for name, one in given.items() if one not in (None, "")})

    return read


def request_body(model: type[BaseModel]) -> dict[str, Json]:
    """OpenAPI of such a request, whose body FastAPI does not parse."""
    schema = model.model_json_schema()
    given: dict[str, Json] = schema["properties"]
    optional = set(given) - set(schema["required"])
    values = {name: _or_number(openapi.without_null(found)) for name, found in given.items()}
    in_form = {name: {"anyOf": [values[name], _EMPTY]} for name in optional} | {
        name: _with_empty_items(found)
        for name, found in values.items()
        if found.get("type") == "array"
    }
    in_json = {name: {"anyOf": [values[name], _EMPTY, {"type": "null"}]} for name in optional}
    form, as_json = (
        {**schema, "properties": {**values, **lenient}} for lenient in (in_form, in_json)
    )
    content = {"application/json": as_json, URL_ENCODED: form, MULTIPART: form}
    return {
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": found} for kind, found in content.items()},
        }
    }


def _or_number(schema: dict[str, Json]) -> dict[str, Json]:
    """These bodies accept numbers for text."""
    return {"anyOf": [schema, {"type": "number"}]} if schema.get("type") == "string" else schema


def _with_empty_items(schema: dict[str, Json]) -> dict[str, Json]:
    """Empty fields of a form are ignored, but one must not be empty."""
    items = {"anyOf": [schema["items"], _EMPTY]}
    return {**schema, "items": items, "contains": {"minLength": 1}}


_EMPTY = {"type": "string", "maxLength": 0}


async def _body(request: Request, model: type[BaseModel]) -> dict[str, Json]:
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if _is_json(kind, body):
        return _parsed_json(body or _NO_BODY)
    if kind in (URL_ENCODED, MULTIPART):
        return _named(await _form(request), model)
    return {}


def _is_json(kind: str, body: bytes) -> bool:
    """`curl -d '{...}'` labels JSON as a form. Other content types are not read, so that a page of
    another site cannot send JSON without a CORS preflight."""
    if kind == URL_ENCODED:
        return body.lstrip().startswith(b"{")
    return kind in ("", "application/json")


def _parsed_json(body: bytes) -> dict[str, Json]:
    try:
        found = json.loads(body)
    except RecursionError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from error  # reported like FastAPI's own
    except ValueError as error:
        wrong = {"type": "json_invalid", "loc": ("body",), "msg": "", "ctx": {"error": str(error)}}
        raise RequestValidationError([wrong]) from error
    if not isinstance(found, dict):
        raise InvalidInput("the body must be a JSON object")
    return found


async def _form(request: Request) -> list[tuple[str, str]]:
    form = await request.form(max_files=0)
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def _named(pairs: Sequence[tuple[str, str]], model: type[BaseModel]) -> dict[str, Json]:
    """Values by name: all non-empty ones for a field that takes several, else the last one."""
    return {
        name: [value for key, value in pairs if key == name and value]
        if _takes_several(model, name)
        else last
        for name, last in pairs
    }


def _takes_several(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and get_origin(field.annotation) is tuple


def _parsed(model: type[Model], given: dict[str, Json]) -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wrong = [{**found, "loc": ("body", *found["loc"])} for found in error.errors()]
        raise RequestValidationError(wrong) from error
