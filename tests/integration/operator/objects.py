"""Objects by path, as an API server holds them, and the requests that it received."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PREFIX = "/prefix"


@dataclass(slots=True)
class Objects:
    """Answers GET and PATCH from a dictionary, a PATCH of what is not in it with the change itself;
    `failing` says which methods get which status."""

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=lambda: {"message": "no"})
    """The body of a failure."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    written: list[tuple[str, Any]] = field(default_factory=list)
    on_patch: Callable[[str, Any], None] = lambda path, patch: None
    """Called with each patch, as a watch would report it."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(PREFIX)
        self.asked.append((request.method, path))
        if request.method in self.failing:
            return web.json_response(self.said, status=self.failing[request.method])
        if request.method in ("PATCH", "POST"):
            change = await request.json()
            self.written.append((path, change))
            self.on_patch(path, change)
            return web.json_response(self.documents.get(path, change))
        if path not in self.documents:
            return web.json_response({"message": "not found"}, status=404)
        return web.json_response(self.documents[path])

    def count(self, path: str) -> int:
        """How often a path was read."""
        return self.asked.count(("GET", path))
