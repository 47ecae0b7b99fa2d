"""The how-to's pipeline, in a separate package, by command, route and task."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from celery import Celery

from tests.integration.command_line import CommandLine
from tests.integration.processes import ROOT, Process
from tests.ports import free_port

HOW_TO = ROOT / "docs" / "how-to" / "add-a-pipeline.md"
STAGES = ROOT / "docs" / "reference" / "stages.md"

LINES = 26

CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)

PIPELINE, TEST = CODE.findall(HOW_TO.read_text())
(QUEUE,) = CODE.findall(STAGES.read_text())


def test_the_pipeline_is_short() -> None:
    assert len([line for line in PIPELINE.splitlines() if line.strip()]) <= LINES


def test_the_test_of_the_pipeline_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wordcount.py").write_text(PIPELINE)
    monkeypatch.syspath_prepend(tmp_path)
    found: dict[str, Any] = {}
    exec(TEST, found)  # of our own page
    before = dict(os.environ)
    found["test_words_are_counted"](tmp_path)
    assert dict(os.environ) == before
    sys.modules.pop("wordcount")


@pytest.fixture
def url(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The API of a platform with a worker, which know the package and its queue."""
    package = tmp_path / "outside" / "wordcount"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        QUEUE + PIPELINE.replace('queue="documents"', "queue=WORDS")
    )
    path = {"PYTHONPATH": str(package.parent), "CELERIAC_PIPELINES": "tests.probe,wordcount"}
    port = free_port()
    commands = {"api": ["api", "--port", str(port)], "worker": ["worker", "-q", "words"]}
    processes = {
        name: Process(
            [sys.executable, "-m", "app", *arguments],
            environment={**os.environ, **environment, **path},
            log=tmp_path / f"{name}.log",
        )
        for name, arguments in commands.items()
    }
    try:
        processes["api"].wait_for("Uvicorn running")
        processes["worker"].wait_for(" ready.")
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in processes.values():
            process.kill()
            print(process.log)  # noqa: T201  # pytest shows it when a test fails


def test_it_runs_by_command_route_and_task(
    url: str, environment: dict[str, str], tmp_path: Path
) -> None:
    celeriac = CommandLine(url)
    text = tmp_path / "speech.txt"
    text.write_text("the sea the sky\nThe end\n")
    submitted = celeriac.output(
        *("jobs", "submit", "word-count", "--file", str(text), "--top", "1", "--wait"),
        *("--output", "json"),
    )
    job = json.loads(submitted)
    assert (job["state"], job["result"]) == ("succeeded", {"words": 6, "top": [["the", 3]]})
    assert "How many words to return." in celeriac.output("jobs", "submit", "word-count", "--help")
    with httpx2.Client(base_url=url, timeout=60) as http:
        table = http.get(job["artifacts"][0]["url"]).json()
        again = http.post("/api/v1/jobs/word-count", json={"params": job["params"]}).json()
        refused = http.post(
            "/api/v1/jobs/word-count", json={"params": {"upload_id": "x", "top": 0}}
        )
        over = http.get(f"/api/v1/jobs/{again['id']}", params={"wait": 60}).json()
        shapes = http.get("/openapi.json").json()["components"]["schemas"]
    assert table == {"the": 3, "sea": 1, "sky": 1, "end": 1}
    assert (over["progress"], over["result"]) == (100, job["result"])
    assert refused.json()["errors"][0]["pointer"] == "#/params/top"
    assert shapes["WordCountParams"]["properties"]["top"]["maximum"] == 1000
    broker = environment["CELERY_BROKER_URL"]
    with Celery(broker=broker, backend=broker) as client:
        task = client.send_task("count_words", [job["params"]["upload_id"]], queue="words")
        assert task.get(timeout=60)["words"] == 6
    assert [found.name for found in (tmp_path / "temp").iterdir() if found.name != "uploads"] == []
