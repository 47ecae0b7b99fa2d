"""Requests of many tests, and a check of problems."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

Json = Any  # a JSON value

JOBS = "/api/v1/jobs"

NO_JOB = "00000000-0000-7000-8000-000000000000"

PROBE_APP = "tests.probe.application"

ALL_QUEUES = ("default", "download", "cleanup")
"""Those of the test pipeline's stages."""


def submit(http: httpx2.Client, *, plan: dict[str, list[str]] | None = None, **body: Json) -> Json:
    """Submit a job of the test pipeline; return it."""
    params = {"name": body.pop("name", "probe"), "plan": plan or {}}
    answer = http.post(f"{JOBS}/probe", json={"params": params, **body})
    assert answer.status_code == 202, answer.text
    return answer.json()


def names(http: httpx2.Client, listing: httpx2.Response) -> list[str]:
    """The names of the listed jobs of the test pipeline."""
    return [job["params"]["name"] for job in whole(http, listing)]


def whole(http: httpx2.Client, listing: httpx2.Response) -> list[Json]:
    """The listed jobs with their parameters and results, which a listing leaves out."""
    assert listing.is_success, listing.text
    return [http.get(f"{JOBS}/{job['id']}").json() for job in listing.json()["items"]]


def finished(http: httpx2.Client, job_id: str) -> Json:
    """The job when it is over."""
    job = http.get(f"{JOBS}/{job_id}", params={"wait": 25}).json()
    assert job["done"], job
    return job


def problem(answer: httpx2.Response) -> Json:
    """The problem that the answer is, checked for what all of them have."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    found = answer.json()
    assert found["status"] == answer.status_code
    assert found["request_id"] == answer.headers["X-Request-Id"]
    assert {"type", "title", "detail"} <= set(found)
    assert "Traceback" not in answer.text
    return found


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event."""

    id: str
    name: str
    data: Json


def events(http: httpx2.Client, job_id: str, *, after: str | None = None) -> Iterator[Event]:
    """The job's events until the server ends the stream."""
    headers = {} if after is None else {"Last-Event-ID": after}
    with http.sse(f"{JOBS}/{job_id}/events", headers=headers) as source:
        for found in source:
            if found.data:
                yield Event(found.id, found.event, json.loads(found.data))
