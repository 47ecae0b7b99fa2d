"""A value for each route of an application, looked up by method and path before routing."""

import re
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from app.errors import CeleriacError

Value = TypeVar("Value")


class RouteNotListed(CeleriacError):
    """A route that a table does not name: the API does not start."""


class RouteTable(Generic[Value]):
    """Values by route, such as `GET /jobs/{job_id:uuid}`. HEAD is looked up as GET, `*` means every
    method. Of several patterns that match, the first one counts."""

    def __init__(self, values: Mapping[str, Value], *, default: Value) -> None:
        """`default` is the value of unknown paths."""
        self._names = frozenset(values)
        self.by_operation: dict[str, Value] = {}
        """Values as the OpenAPI document names routes, such as `GET /jobs/{job_id}`."""
        self._default = default
        self._exact: dict[tuple[str, str], Value] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Value]] = []
        for name, value in values.items():
            method, path = name.split(" ", 1)
            pattern, template, _ = compile_path(path)
            self.by_operation[f"{method} {template}"] = value
            if "{" in path:
                self._patterns.append((method, pattern, value))
            else:
                self._exact[method, path] = value

    def find(self, method: str, path: str) -> Value:
        asked = "GET" if method == "HEAD" else method
        if (asked, path) in self._exact:
            return self._exact[asked, path]
        for known, pattern, value in self._patterns:
            if known in (asked, "*") and pattern.match(path):
                return value
        return self._default

    def at(self, path: str) -> dict[str, Value]:
        """The values of all routes with this path, by method."""
        matching = {known: value for known, pattern, value in self._patterns if pattern.match(path)}
        return matching | {known: value for (known, at), value in self._exact.items() if at == path}

    def missing(self, app: FastAPI) -> Iterable[str]:
        """The routes of an application that the table does not name."""
        return (name for name in self._route_names(app) if name not in self._names)

    def _route_names(self, app: FastAPI) -> Iterable[str]:
        for context in iter_route_contexts(app.routes):
            methods = set(context.methods or ()) - {"HEAD", "OPTIONS"}
            if f"* {context.path}" in self._names:
                yield f"* {context.path}"
            else:
                yield from (f"{method} {context.path}" for method in sorted(methods))
