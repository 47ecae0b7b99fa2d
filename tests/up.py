"""The platform as a user starts it, for tests and the demo: `celeriac up` and a client."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.integration.processes import Process
from tests.ports import free_port
from tests.waiting import eventually

SETTINGS = {
    "CELERIAC_LEASE_S": "5",
    "CELERIAC_RETRY_BASE_S": "0.2",
    "CELERIAC_RETRY_MAX_S": "1",
    "CELERIAC_ALLOW_PRIVATE_ADDRESSES": "true",
    "CELERIAC_PIPELINES": "tests.probe",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """`celeriac up`, and a client of its API."""

    process: Process
    http: httpx2.Client
    folder: Path

    def replicas(self) -> dict[str, int]:
        """Every pool and how many workers it has now."""
        pools = self.http.get("/api/v1/pools").json()["items"]
        return {pool["name"]: pool["replicas"] or 0 for pool in pools}

    def job(self, job_id: str) -> dict[str, Any]:  # JSON
        found: dict[str, Any] = self.http.get(f"/api/v1/jobs/{job_id}").json()
        return found


@contextmanager
def running(
    folder: Path, *, settings: Mapping[str, str] | None = None, arguments: Sequence[str] = ()
) -> Iterator[Up]:
    """Run `celeriac up` in the folder until the block ends; then Ctrl-C has to end it well."""
    port = free_port()
    process = Process(
        [
            *(sys.executable, "-m", "app", "up", "--data-dir", str(folder / "data")),
            *("--port", str(port), "--cooldown", "3"),
            *arguments,
        ],
        environment={**os.environ, **SETTINGS, **(settings or {})},
        log=folder / "up.log",
    )
    try:
        process.wait_for("is up", within_s=60)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            up = Up(process=process, http=http, folder=folder)
            eventually(up.replicas, within_s=60, why="the pools are posted")
            yield up
        process.signal(signal.SIGINT)
        eventually(lambda: not process.is_running, within_s=60, why="Ctrl-C ends the platform")
        assert process.exit_code == 0
    except BaseException:
        print(process.log)  # noqa: T201  # pytest shows it beside the failure
        raise
    finally:
        process.kill()
