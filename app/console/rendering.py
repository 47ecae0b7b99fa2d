"""How a page is rendered: templates, theme, and what the frame of each page shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from app.console import charts, words
from app.errors import NotFound

Json = Any  # a JSON value: the type system has no better word for it

HERE = Path(__file__).parent

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "celeriac_theme"
YEAR_S = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the rail."""

    link: str
    name: str
    key: str = ""
    """Opens it after `g`; empty for none."""
    count: int = 0
    """Shown where it calls for action."""


def frame(
    request: Request, *, name: str, at: datetime, entries: Sequence[Entry], problem: str | None
) -> Mapping[str, Any]:  # values of several types
    """What each page shows around its content."""
    theme = request.cookies.get(THEME_COOKIE, "auto")
    return {
        "name": name,
        "now": at,
        "entries": entries,
        "problem": problem,
        "path": request.url.path,
        "address": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "theme": theme if theme in THEMES else "auto",
        "themes": THEMES,
        "told": request.query_params.get("done"),
    }


async def set_theme(request: Request) -> Response:
    """Remember the theme in a cookie, so that the server sets it before the first paint."""
    form = parse_qs((await request.body()).decode(errors="replace"))
    theme = form.get("theme", ["auto"])[0]
    answer = back_to(form.get("back", ["/"])[0], None)
    chosen = theme if theme in THEMES else "auto"
    answer.set_cookie(THEME_COOKIE, chosen, max_age=YEAR_S, httponly=True, samesite="strict")
    return answer


async def static_file(name: str) -> Response:
    """Raises NotFound."""
    path = HERE / "static" / name
    if name not in {"console.css", "console.js"}:
        raise NotFound(f"no file {name!r}")
    return FileResponse(path, headers={"Cache-Control": "no-cache"})


def back_to(path: str, told: str | None) -> RedirectResponse:
    """To a page of ours: an address of another site is not followed."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\"))
    target = path if is_ours else "/"
    if told is not None:
        target += ("&" if "?" in target else "?") + urlencode({"done": told})
    return RedirectResponse(target, status_code=HTTPStatus.SEE_OTHER)


def _as_json(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "number": words.number,
        "duration": words.duration,
        "rate": words.rate,
        "size": words.size,
        "as_json": _as_json,
    }
    environment.globals |= {
        "ago": words.ago,
        "plural": words.plural,
        # SVG of numbers, with no text of users.
        "sparkline": lambda *args, **more: Markup(charts.sparkline(*args, **more)),
        "bars": lambda counts: Markup(charts.bars(counts)),
        "pool_chart": lambda *args, **more: Markup(charts.pool_chart(*args, **more)),
    }
    return environment


TEMPLATES = _environment()
