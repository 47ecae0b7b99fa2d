"""Pipelines by a real worker, in the ways that other tests leave out."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from tests import pdfs
from tests.integration import serving
from tests.integration.processes import StartWorker
from tests.integration.serving import Server
from tests.sites import models
from tests.sites.models import ModelServer
from tests.sites.server import Site

SEEN = {"is_chart": True, "trend": "up", "summary": "The price rises.", "confidence": 0.8}


@pytest.fixture(autouse=True)
def seen(model_server: ModelServer) -> None:
    model_server.default = models.tool(SEEN)


@pytest.fixture
def server(
    environment: dict[str, str], start_worker: StartWorker, model_server: ModelServer
) -> Iterator[Server]:
    key = {"ANTHROPIC_API_KEY": models.KEY, "ANTHROPIC_BASE_URL": model_server.url}
    start_worker(["default", "llm", "youtube"], env=key)
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


def called(server: Server, task: str, *args: object) -> Any:  # JSON
    """What a client of Celery gets, without any job."""
    found = server.platform.celery.signature(task, args=args).delay().get(timeout=60)
    assert server.http.get("/api/v1/jobs").json()["items"] == []
    folder = server.platform.settings.files.temp_dir
    assert list(folder.iterdir()) == []
    return found


def test_videos_are_a_plain_call(server: Server, site: Site) -> None:
    urls = [f"{site.url}/video", f"{site.url}/status/404"]
    found = called(server, "process_youtube_videos", "bot 1", urls)
    assert [(one["url"], one["status"]) for one in found["videos"]] == [
        (urls[0], "ready"),
        (urls[1], "failed"),
    ]
    [chunk] = server.platform.stores.chunks.of_source(found["videos"][0]["source_id"])
    assert (chunk.text, chunk.chatbot_id) == ("A tone.\nIt rises.", "bot 1")


def test_a_chart_is_a_plain_call(server: Server, model_server: ModelServer) -> None:
    storage = server.platform.settings.files.storage_dir
    storage.mkdir(exist_ok=True)
    pdfs.photo(size=(3200, 1600)).save(storage / "chart.png")
    found = called(server, "analyze_chart_image", "chart.png", "claude-sonnet-4")
    assert {name: found[name] for name in SEEN} == SEEN
    assert (found["picture"]["width"], found["picture"]["sent_width"]) == (3200, 1568)
    assert model_server.asked[-1].body["model"].startswith("claude-sonnet-4")


def test_a_chart_is_a_kind_of_the_api(server: Server) -> None:
    picture = io.BytesIO()
    pdfs.photo(size=(640, 480)).save(picture, "PNG")
    files = {"file": ("chart.png", picture.getvalue(), "image/png")}
    upload = server.http.post("/api/v1/uploads", files=files).json()
    body = {"params": {"upload_id": upload["id"], "model": "claude-sonnet-4"}}
    submitted = server.http.post("/api/v1/jobs/chart-image", json=body)
    assert submitted.status_code == 202, submitted.text
    path = f"/api/v1/jobs/{submitted.json()['id']}"
    job = server.http.get(path, params={"wait": 30}).json()
    assert (job["state"], job["error"]) == ("succeeded", None)
    assert {name: job["result"][name] for name in SEEN} == SEEN


def test_a_report_is_a_kind_of_the_api(server: Server) -> None:
    submitted = server.http.post("/api/v1/jobs/report", json={"params": {"period": "7d"}})
    assert submitted.status_code == 202, submitted.text
    job_id = submitted.json()["id"]
    job = server.http.get(f"/api/v1/jobs/{job_id}", params={"wait": 30}).json()
    assert (job["state"], job["error"]) == ("succeeded", None)
    files = {one["name"]: server.http.get(one["url"]).content for one in job["artifacts"]}
    assert sorted(files) == ["report.csv", "report.json", "report.png"]
    kinds = job["result"]["jobs"]["kinds"]
    assert [(one["kind"], one["by_state"]) for one in kinds] == [("report", {"running": 1})]
    assert json.loads(files["report.json"])["jobs"] == job["result"]["jobs"]
    table = list(csv.reader(io.StringIO(files["report.csv"].decode())))
    assert ["jobs", "report", "running", "1"] in table
    with Image.open(io.BytesIO(files["report.png"])) as picture:
        assert (picture.format, picture.size) == ("PNG", (1100, 800))
