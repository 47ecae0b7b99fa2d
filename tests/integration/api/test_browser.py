"""What a browser gets, on a machine without a way to the internet."""

import re

import httpx2
import pytest

from tests.integration.api import asking
from tests.integration.api.asking import JOBS


def addresses(page: str) -> list[str]:
    """Every address that a page loads or leads to."""
    return re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']*)["']""", page)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_needs_nothing_of_other_servers(shared: httpx2.Client, path: str) -> None:
    answer = shared.get(path)

    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        "text/html; charset=utf-8",
    )
    named = [one for one in addresses(answer.text) if one != "data:,"]
    assert named
    assert not re.search(r"https?://|src=[\"']//", answer.text)
    assert {one: shared.get(one).status_code for one in named} == dict.fromkeys(named, 200)


def test_the_reference_has_its_viewer(shared: httpx2.Client) -> None:
    page = shared.get("/docs").text
    script, styles = shared.get("/docs/swagger-ui-bundle.js"), shared.get("/docs/swagger-ui.css")

    assert "SwaggerUIBundle" in page
    assert '"validatorUrl": null' in page  # on by default, and a server of somebody else
    assert "SwaggerUIBundle" in script.text
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert styles.headers["Content-Type"].startswith("text/css")
    assert asking.problem(shared.get("/docs/__init__.py"))["status"] == 404


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_acting_on_what_is_no_id_names_it(shared: httpx2.Client, verb: str) -> None:
    found = asking.problem(shared.post(f"{JOBS}/xyz:{verb}"))
    assert (found["status"], found["detail"]) == (404, "no job 'xyz'")
