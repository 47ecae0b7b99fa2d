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

    start = shared.get("/docs/start.js").text
    assert "docs/start.js" in page
    assert '"validatorUrl": null' in start  # on by default, and a foreign server
    assert "SwaggerUIBundle" in script.text
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert styles.headers["Content-Type"].startswith("text/css")
    assert asking.problem(shared.get("/docs/__init__.py"))["status"] == 404


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/api/v1/jobs", "/nowhere"])
def test_every_answer_has_a_strict_content_security_policy(
    shared: httpx2.Client, path: str
) -> None:
    answer = shared.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style|\bstyle=|\bon\w+=", answer.text)


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        pytest.param({}, 404, id="no browser"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 404, id="a page of ours"),
        pytest.param({"Sec-Fetch-Site": "none"}, 404, id="typed by the user"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="another name of one domain"),
        pytest.param({"Origin": "https://evil.example"}, 403, id="another origin"),
        pytest.param({"Origin": "null"}, 403, id="a page of no origin"),
    ],
)
def test_a_page_of_another_origin_changes_nothing(
    shared: httpx2.Client, headers: dict[str, str], want: int
) -> None:
    job = "019a0000-0000-7000-8000-000000000001"
    assert shared.post(f"{JOBS}/{job}:cancel", headers=headers).status_code == want


def test_a_page_of_ours_is_known_by_its_origin(shared: httpx2.Client) -> None:
    job = "019a0000-0000-7000-8000-000000000001"
    origin = f"http://{shared.base_url.host}:{shared.base_url.port}"
    answer = shared.post(f"{JOBS}/{job}:cancel", headers={"Origin": origin})
    assert answer.status_code == 404


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_acting_on_what_is_no_id_names_it(shared: httpx2.Client, verb: str) -> None:
    found = asking.problem(shared.post(f"{JOBS}/xyz:{verb}"))
    assert (found["status"], found["detail"]) == (404, "no job 'xyz'")
