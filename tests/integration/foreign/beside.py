"""A console beside an application: what its tests share."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.integration.processes import Process
from tests.waiting import eventually

APP = "tests.integration.foreign.failing_app"
URL = re.compile(r"http://127\.0\.0\.1:\d+")

StartConsole = Callable[..., tuple[httpx2.Client, Process]]


@contextmanager
def consoles(redis_url: str, folder: Path) -> Iterator[StartConsole]:
    """A function that starts consoles; all are ended after the block."""
    processes: list[Process] = []
    clients: list[httpx2.Client] = []

    def start(*arguments: str) -> tuple[httpx2.Client, Process]:
        command = [sys.executable, "-m", "app", "console", "--broker", redis_url, "--port", "0"]
        process = Process(
            [*command, *arguments],
            environment={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
            log=folder / f"console{len(processes)}.log",
        )
        processes.append(process)
        process.wait_for("http://127.0.0.1:")
        (url,) = URL.findall(process.log)
        http = httpx2.Client(base_url=url, timeout=30)
        clients.append(http)
        eventually(lambda: _answers(http), within_s=60, why="the console answers")
        return http, process

    try:
        yield start
    finally:
        for http in clients:
            http.close()
        for process in processes:
            process.kill()


def _answers(http: httpx2.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx2.TransportError:
        return False


def has(http: httpx2.Client, path: str, *texts: str) -> Callable[[], bool]:
    """A condition: the page contains these texts."""

    def found() -> bool:
        page = http.get(path).text
        return all(text in page for text in texts)

    return found
