"""Two hundred jobs of all kinds at once: all end, none runs twice, no busy worker is ended."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests import up as platforms
from tests.sites import server
from tests.sites.server import Site
from tests.up import Up
from tests.waiting import eventually

JOBS = 200
MEDIA_JOBS = 30
TEXT = b"The kettle boils at a hundred degrees. " * 200

STAGES = {
    "media": ("download_audio", "convert_to_mp3", "cleanup_temp_files"),
    "document": ("process_document",),
}


def requests(site: Site, upload_id: str) -> list[dict[str, Any]]:  # JSON bodies
    media = [
        {"kind": "media", "params": {"url": f"{site.url}/video?n={n}"}} for n in range(MEDIA_JOBS)
    ]
    documents = [
        {"kind": "document", "params": {"upload_id": upload_id, "chatbot_id": f"bot-{n}"}}
        for n in range(JOBS - MEDIA_JOBS)
    ]
    return [*media, *documents]


def test_mixed_burst_ends_every_job_once_and_the_pools_follow(tmp_path: Path) -> None:
    with platforms.running(tmp_path) as up, server.serve() as site:
        burst(up, site)


def burst(up: Up, site: Site) -> None:
    upload = up.http.post("/api/v1/uploads", files={"file": ("kettle.txt", TEXT, "text/plain")})
    body = {"jobs": requests(site, upload.json()["id"])}
    before = up.replicas()

    accepted = up.http.post("/api/v1/jobs:batch", json=body).json()["items"]
    eventually(lambda: up.replicas()["documents"] > 0, why="the pool of documents grows")
    eventually(lambda: all_done(up), within_s=240, why="every job ends")
    eventually(lambda: not any(up.replicas().values()), within_s=90, why="the pools are empty")

    jobs = [up.job(job["id"]) for job in accepted]
    assert set(before.values()) == {0}
    assert len(jobs) == JOBS
    assert Counter(job["state"] for job in jobs) == {"succeeded": JOBS}, failures(jobs)
    assert {job["id"]: ran(up, job["id"]) for job in jobs} == {
        job["id"]: [(stage, "succeeded") for stage in STAGES[str(job["pipeline"])]] for job in jobs
    }
    assert [path for path in (up.folder / "data" / "temp").rglob("*") if path.is_file()] == []


def all_done(up: Up) -> bool:
    left = [
        up.http.get("/api/v1/jobs", params={"state": state, "limit": 1}).json()["items"]
        for state in ("queued", "running")
    ]
    return not any(left)


def ran(up: Up, job_id: object) -> list[tuple[str, str]]:
    runs = up.http.get(f"/api/v1/jobs/{job_id}/runs").json()["items"]
    return [(run["stage"], run["outcome"]) for run in runs]


def failures(jobs: Sequence[Any]) -> list[object]:
    return [job["error"] for job in jobs if job["error"]]
