"""The console over HTTP: pages of a platform that runs its jobs at once."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from tests.integration import serving
from tests.integration.serving import Server

PAGES = ("/", "/queues", "/pools", "/jobs", "/failures")


@pytest.fixture
def server(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("CELERY_TASK_ALWAYS_EAGER", "true")
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


@pytest.fixture
def http(server: Server) -> httpx2.Client:
    return server.http


def submit(http: httpx2.Client, kind: str, **params: object) -> str:
    body = {"params": params, "max_attempts": 1}
    answer = http.post(f"/api/v1/jobs/{kind}", json=body)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def fail(http: httpx2.Client) -> str:
    """A job that fails: nothing listens at its address."""
    return submit(http, "media", url="http://127.0.0.1:9/talk")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_without_script_and_loads_only_its_own_files(
    http: httpx2.Client, path: str
) -> None:
    answer = http.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert not re.search(r"<style|\bstyle=|\bon\w+=\"|<script>", answer.text)
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text)
    assert loaded
    assert {http.get(one).status_code for one in loaded} == {200}


def test_a_failed_job_shows_on_every_page_that_is_about_it(http: httpx2.Client) -> None:
    job_id = fail(http)
    assert "1 media job failed with RetryableError" in http.get("/").text
    assert "RetryableError" in http.get("/failures").text
    assert job_id in http.get("/jobs?state=failed").text
    assert job_id not in http.get("/jobs?state=succeeded").text
    page = http.get(f"/jobs/{job_id}").text
    assert "download_audio" in page
    assert "the connection failed" in page


def test_what_users_send_is_shown_and_not_run(http: httpx2.Client) -> None:
    body = {"params": {}, "labels": {"note": "<b>talk</b>"}}
    job_id = http.post("/api/v1/jobs/report", json=body).json()["id"]
    page = http.get(f"/jobs/{job_id}").text
    assert "<b>talk</b>" not in page
    assert "&lt;b&gt;talk&lt;/b&gt;" in page


def test_filters_stand_in_the_address(http: httpx2.Client) -> None:
    body = {"params": {}, "labels": {"team": "shop"}}
    labelled = http.post("/api/v1/jobs/report", json=body).json()["id"]
    other = submit(http, "report")
    page = http.get("/jobs?label=team%3Dshop&kind=report").text
    assert labelled in page
    assert other not in page
    assert http.get("/jobs?state=nonsense&cursor=nonsense").status_code == 200


def test_a_job_is_retried_from_its_page_and_the_page_says_so(http: httpx2.Client) -> None:
    job_id = fail(http)
    form = {"action": "retry", "id": job_id, "back": f"/jobs/{job_id}"}
    answer = http.post("/jobs", data=form)
    assert answer.status_code == 303
    page = http.get(answer.headers["Location"]).text
    assert "1 job of 1 retried" in page
    assert page.count("<b>download_audio</b>, attempt") == 2


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_an_action_leads_back_to_no_other_site(http: httpx2.Client, back: str) -> None:
    form = {"action": "cancel", "id": fail(http), "back": back}
    answer = http.post("/jobs", data=form)
    assert answer.headers["Location"].startswith("/")
    assert "evil" not in answer.headers["Location"]


@pytest.mark.parametrize("form", [{}, {"action": "delete", "id": "1"}, {"action": "retry"}])
def test_a_form_that_names_nothing_to_do_is_refused(
    http: httpx2.Client, form: dict[str, str]
) -> None:
    assert http.post("/jobs", data=form).status_code == 400


def test_a_page_that_is_not_there_says_so_in_words(http: httpx2.Client) -> None:
    for path in ("/jobs/nonsense", "/pools/nonsense"):
        answer = http.get(path)
        assert answer.status_code == 404
        assert "There is no" in answer.text


def test_the_theme_is_set_before_the_first_paint(http: httpx2.Client) -> None:
    answer = http.post("/theme", data={"theme": "dark", "back": "/queues"})
    assert answer.headers["Location"] == "/queues"
    assert 'data-theme="dark"' in http.get("/queues").text
    http.post("/theme", data={"theme": "<script>", "back": "/"})
    assert 'data-theme="auto"' in http.get("/").text


def test_a_page_of_another_site_cannot_act(http: httpx2.Client) -> None:
    form = {"action": "cancel", "id": fail(http)}
    headers = {"Origin": "https://evil.example"}
    assert http.post("/jobs", data=form, headers=headers).status_code == 403
