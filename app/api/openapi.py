"""The OpenAPI document, and the page that shows it.

Pages load nothing from other servers: a cluster may have no internet access, and foreign scripts
would run next to an API without authentication.
"""

from importlib import resources
from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

from app.errors import NotFound

Json = Any  # a JSON value: the type system has no better word for it

Responses = dict[int | str, dict[str, Json]]
"""Further responses of a route, in FastAPI's format."""


def without_null(schema: dict[str, Json]) -> dict[str, Json]:
    """The schema of a value in a header, a query or a form, where null would be text."""
    if "anyOf" not in schema:
        return schema
    choices = [one for one in schema["anyOf"] if one != {"type": "null"}]
    rest = {name: one for name, one in schema.items() if name != "anyOf"}
    return {**choices[0], **rest} if len(choices) == 1 else {"anyOf": choices, **rest}


VIEWER = "fastapi_offline"
"""The package that ships Swagger UI's files."""

SCRIPT, STYLES = "swagger-ui-bundle.js", "swagger-ui.css"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs() -> HTMLResponse:
    """Swagger UI."""
    return HTMLResponse(_DOCS)


@router.get("/docs/{name}")
def asset(name: str) -> Response:
    """A file of Swagger UI, or of ours."""
    if name in _OWN_FILES:
        media_type, text = _OWN_FILES[name]
        return Response(text, media_type=media_type)
    if name not in (SCRIPT, STYLES):
        raise NotFound(f"no file {name!r}")
    with resources.as_file(resources.files(VIEWER) / "static" / name) as path:
        return FileResponse(path)


_DOCS = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Celeriac API</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/{STYLES}">
<div id="swagger-ui"></div>
<script src="docs/{SCRIPT}"></script>
<script src="docs/start.js"></script>
</html>
"""

# The validator would send the document to another server.
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
  "validatorUrl": null
});
"""

_OWN_FILES = {
    "start.js": ("text/javascript", _START),
}
"""Files of their own, because the content security policy allows no inline script or style."""
