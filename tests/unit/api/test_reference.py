"""The reference lists every route, and no other."""

import re
from pathlib import Path

from app import celery_app
from app.api import application, problem
from app.jobs import platform
from app.jobs.model.pipeline import Registry
from app.settings import Settings
from tests import probe

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "api.md"


def test_the_reference_lists_the_routes_that_there_are() -> None:
    listed = set(re.findall(r"^\| `(\w+ /[^`]*)`", REFERENCE.read_text(), re.MULTILINE))
    home = platform.of(celery_app.create(Settings(), Registry([probe.PIPELINE])))
    document = application.create_app(home).openapi()
    found = {
        f"{method.upper()} {path}".replace("/jobs/probe", "/jobs/{kind}")
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert listed == found


def test_the_problems_that_the_reference_names_exist() -> None:
    text = REFERENCE.read_text()
    table = text[text.index("| Status |") : text.index("Statuses of HTTP alone")]
    kinds = [*problem.BY_ERROR.values(), problem.INVALID_REQUEST, problem.MALFORMED_JSON]
    known = {(str(int(kind.status)), kind.slug) for kind in (*kinds, problem.NOT_READY)}
    named = {
        (status, slug)
        for status, slugs in re.findall(r"^\| (\d{3}) \| ([^|]*) \|", table, re.MULTILINE)
        for slug in re.findall(r"(?<!\()`([a-z-]+)`", slugs)
    }
    assert named
    assert named <= known
