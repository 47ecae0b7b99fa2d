"""Tasks that begin at once in a worker that has just started, in threads."""

import io

import httpx2
import pytest

from tests import pdfs
from tests.integration import serving
from tests.integration.api import asking
from tests.integration.api.asking import JOBS, Json
from tests.integration.processes import StartWorker
from tests.sites import models
from tests.sites.models import ModelServer

SEEN = {"is_chart": True, "trend": "up", "summary": "The price rises.", "confidence": 0.8}
EACH = 4


@pytest.fixture(autouse=True)
def seen(model_server: ModelServer) -> None:
    model_server.default = models.tool(SEEN)


def runs_of(http: httpx2.Client, job_id: str) -> list[Json]:
    """The runs of the job, once it is over."""
    asking.finished(http, job_id)
    found: list[Json] = http.get(f"{JOBS}/{job_id}/runs").json()["items"]
    return found


def test_tasks_that_share_a_heavy_library_begin_at_once_in_a_cold_worker(
    environment: dict[str, str], start_worker: StartWorker, model_server: ModelServer
) -> None:
    """`strategy` and `chart-image` failed with the ImportError of a half-imported module."""
    keys = {
        "ANTHROPIC_API_KEY": models.KEY,
        "ANTHROPIC_BASE_URL": model_server.url,
        "OPENAI_API_KEY": models.KEY,
        "OPENAI_BASE_URL": f"{model_server.url}/v1",
    }
    picture = io.BytesIO()
    pdfs.photo(size=(640, 480)).save(picture, "PNG")
    with serving.serve(serving.platform_from_environment()) as server:
        files = {"file": ("chart.png", picture.getvalue(), "image/png")}
        upload_id = server.http.post("/api/v1/uploads", files=files).json()["id"]
        text = {"content": "I buy when the price rises.", "model": "claude-sonnet-4"}
        chart = {"upload_id": upload_id, "model": "gpt-4o"}
        pair = [{"kind": "strategy", "params": text}, {"kind": "chart-image", "params": chart}]
        listed = server.http.post("/api/v1/jobs:batch", json={"jobs": pair * EACH}).json()["items"]

        worker = start_worker(["llm"], pool="threads", concurrency=2 * EACH, env=keys)

        runs = [runs_of(server.http, job["id"]) for job in listed]
    errors = [run["error"]["type"] for own in runs for run in own if run["error"] is not None]
    assert [len(own) for own in runs] == [1] * (2 * EACH)
    assert "ImportError" not in errors
    assert "is not imported" not in worker.log
