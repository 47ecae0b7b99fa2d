"""A steady load of real jobs on an API, by clients that take no failure for an answer."""

import itertools
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests import waiting

logger = logging.getLogger(__name__)

PAUSE_S = 1.5
"""A document costs about half a second of a processor, and all of them have two."""
MEDIA_EACH = 8

Json = Any  # a JSON value

STAGES = {
    "document": ["process_document"],
    "media": ["download_audio", "convert_to_mp3", "cleanup_temp_files"],
}

ENDED_FROM_OUTSIDE = frozenset({"WorkerStopped", "WorkerLost", "Superseded"})
"""Errors of runs that did not fail by themselves."""


@dataclass(slots=True)
class Load:
    """What was asked for so far, and what of it was refused."""

    jobs: list[str] = field(default_factory=list)
    requests: int = 0
    failures: list[str] = field(default_factory=list)

    def ask(self, http: httpx2.Client, method: str, path: str, **content: Json) -> Json:
        """The answer; a failure is kept, and is `None`."""
        self.requests += 1
        try:
            answer = http.request(method, path, **content)
        except httpx2.HTTPError as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return None
        if answer.is_success:
            return answer.json()
        self.failures.append(f"{method} {path}: {answer.status_code} {answer.text}")
        return None

    def submit(self, http: httpx2.Client, kind: str, **params: str) -> None:
        job = self.ask(http, "POST", f"/api/v1/jobs/{kind}", json={"params": params})
        if job is not None:
            self.jobs.append(job["id"])

    def send_document(self, http: httpx2.Client, name: str) -> None:
        """Upload a document and have it processed."""
        file = {"file": (f"{name}.csv", f"name,number\n{name},1\n".encode(), "text/csv")}
        upload = self.ask(http, "POST", "/api/v1/uploads", files=file)
        if upload is not None:
            self.submit(http, "document", upload_id=upload["id"], chatbot_id="load")


@contextmanager
def steady(url: str, *, key: str, site_url: str) -> Iterator[Load]:
    """Jobs from two clients until the block ends, yielding what became of the requests.

    One client keeps its connection, the other one makes a new one for each request. Most jobs are
    documents; some fetch a file that the site sends slowly.
    """
    load, ended = Load(), threading.Event()
    limits = (httpx2.Limits(), httpx2.Limits(max_keepalive_connections=0))
    headers = {"Authorization": f"Bearer {key}"}
    clients = [
        httpx2.Client(base_url=url, timeout=60, limits=each, headers=headers) for each in limits
    ]

    def send(number: int, http: httpx2.Client) -> None:
        for turn in itertools.count():
            if turn % MEDIA_EACH == number:
                load.submit(http, "media", url=f"{site_url}/{number}-{turn}.wav")
            else:
                load.send_document(http, f"{number}-{turn}")
            if load.jobs:
                load.ask(http, "GET", f"/api/v1/jobs/{load.jobs[-1]}")
            if ended.wait(PAUSE_S):
                return

    with ThreadPoolExecutor() as threads, clients[0], clients[1]:
        running = [threads.submit(send, number, http) for number, http in enumerate(clients)]
        try:
            yield load
        finally:
            ended.set()
        for each in running:
            each.result()
    counts = (len(load.jobs), load.requests, len(load.failures))
    logger.info("%d jobs by %d requests, of which %d failed", *counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job that is over."""

    id: str
    kind: str
    state: str
    runs: list[tuple[str, str]]
    """Each run of a stage, and how it ended."""
    retried_after: list[str]
    """The types of the errors after which a stage ran again."""

    @property
    def is_once(self) -> bool:
        """It succeeded, and each of its stages has run once."""
        once = [(stage, "succeeded") for stage in STAGES[self.kind]]
        return self.state == "succeeded" and self.runs == once

    @property
    def is_untouched(self) -> bool:
        """It succeeded, each of its stages succeeded once, and no run was ended from outside: not
        by the end of its worker, nor by a lease that was not renewed. A run that failed by itself
        and was retried is no fault of a rollout: on a busy machine the site may answer too late."""
        done = [run for run in self.runs if run[1] != "retried"]
        once = [(stage, "succeeded") for stage in STAGES[self.kind]]
        is_ended = not ENDED_FROM_OUTSIDE.isdisjoint(self.retried_after)
        return self.state == "succeeded" and done == once and not is_ended


def await_end(http: httpx2.Client, job_id: str) -> Ended:
    """Wait for the end of a job; an API that is not back yet says so (503) and is asked again."""

    def over() -> Json:
        answer = http.get(f"/api/v1/jobs/{job_id}", params={"wait": 30})
        return answer.json() if answer.is_success and answer.json()["done"] else None

    job = waiting.eventually(over, within_s=300, why=f"job {job_id} ends")
    runs = http.get(f"/api/v1/jobs/{job_id}/runs").json()["items"]
    return Ended(
        id=job_id,
        kind=job["pipeline"],
        state=job["state"],
        runs=[(run["stage"], run["outcome"]) for run in runs],
        retried_after=[run["error"]["type"] for run in runs if run["outcome"] == "retried"],
    )
