"""Jobs through the API, as any client has them: submitted, followed, cancelled."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx2

from tests.up import Up

Json = dict[str, Any]

WAIT_S = 1800


def upload(up: Up, content: bytes, name: str) -> str:
    """Hand a file over; return the upload's id."""
    file = (name, content, "application/octet-stream")
    answer = up.http.post("/api/v1/uploads", files={"file": file})
    answer.raise_for_status()
    return str(answer.json()["id"])


def submit(up: Up, kind: str, params: Json) -> str:
    answer = up.http.post(f"/api/v1/jobs/{kind}", json={"params": params})
    if answer.is_error:
        raise RuntimeError(answer.text)
    return str(answer.json()["id"])


def ended(up: Up, job_id: str) -> Json:
    """The job, as soon as it is over. RuntimeError when it failed."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        job: Json = up.http.get(f"/api/v1/jobs/{job_id}", params={"wait": 30}).json()
        if job["done"]:
            if job["state"] == "failed":
                raise RuntimeError(f"{job['pipeline']}: {job['error']}")
            return job
    raise RuntimeError(f"job {job_id} has no end")


class Follower:
    """Reads the events of a job in a thread of its own, to their end."""

    def __init__(
        self,
        up: Up,
        job_id: str,
        *,
        on_percent: Callable[[float], None] = lambda percent: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.percents: list[float] = []
        self._url = up.http.base_url.join(f"/api/v1/jobs/{job_id}/events")
        self._on_percent = on_percent
        self._on_end = on_end
        self._thread = threading.Thread(target=self._read, name="events")
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    @property
    def is_forward(self) -> bool:
        """Whether no event told less than the one before."""
        return all(one <= two for one, two in itertools.pairwise(self.percents))

    def _read(self) -> None:
        try:
            self._hear()
        finally:
            self._on_end()

    def _hear(self) -> None:
        with httpx2.stream("GET", self._url, timeout=None) as answer:
            for line in answer.iter_lines():
                if not line.startswith("data: "):
                    continue
                percent = json.loads(line.removeprefix("data: ")).get("progress")
                if percent is not None:
                    self.percents.append(float(percent))
                    self._on_percent(float(percent))
