"""Shows the progress of a job from its events, and reconnects if the stream breaks."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from app.cli import client, output
from app.cli.client import ApiClient, ApiUnreachable
from app.telemetry.terminal_text import shown

Json = Any  # a JSON value: the type system has no better word for it


class Display(Protocol):
    """Shows the progress of a job."""

    def show(self, job: Json) -> None: ...


def until_done(api: ApiClient, job_id: str, *, quiet: bool = False) -> Json:
    """Follow the job to its end, and return it."""
    if quiet:
        _follow(api, job_id, None)
    elif sys.stdout.isatty():
        with _bar() as display:
            _follow(api, job_id, display)
    else:
        _follow(api, job_id, Lines())
    job = api.get(f"/jobs/{job_id}")
    if not quiet:
        output.print_line(summary(job, api_url=api.url))
    return job


def exit_code(job: Json) -> int:
    return 0 if job["state"] == "succeeded" else 1


def summary(job: Json, *, api_url: str) -> str:
    """The outcome of a job, its children and its artifacts."""
    error = output.error_text(job["error"])
    outcome = job["state"] if error is None else f"{job['state']}: {error}"
    artifacts = [f"  {api_url}{found['url']}" for found in job["artifacts"]]
    counts = children(job)
    below = [f"  children: {counts}"] if counts is not None else []
    return "\n".join([f"{job['pipeline']} {job['id']} {outcome}", *below, *artifacts])


def children(job: Json) -> str | None:
    """The number of children by state; None if there are none.

    >>> children({"children": {"total": 3, "succeeded": 2, "failed": 1, "queued": 0}})
    '3: 2 succeeded, 1 failed'
    """
    counts = job.get("children")
    if counts is None:
        return None
    states = [f"{n} {state}" for state, n in counts.items() if state != "total" and n]
    return f"{counts['total']}: {', '.join(states)}"


def _follow(api: ApiClient, job_id: str, display: Display | None) -> None:
    job: dict[str, Json] = {}
    for event in events(api, job_id):
        job.update(event.data)
        if display is not None:
            display.show(job)


class Lines:
    """Prints a line when the stage or the state changes, for output that is not a terminal."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, job: Json) -> None:
        line = f"{job.get('state', '')} {job.get('stage', '')}".strip()
        if line != self._last:
            self._last = line
            output.print_line(line)


class Bar:
    """A progress bar with stage, percentage, message, speed and remaining time."""

    def __init__(self, progress: Any) -> None:  # Any: rich is imported only when needed
        self._progress = progress
        self._task = progress.add_task("queued", total=100, details="")

    def show(self, job: Json) -> None:
        eta_s = job.get("eta_seconds")
        details = [job.get("message"), job.get("speed"), eta_s and f"{eta_s:.0f} s left"]
        is_running = job.get("state") == "running"
        self._progress.update(
            self._task,
            completed=job.get("progress", 0),
            description=job.get("stage") if is_running else job.get("state", ""),
            details=shown(" · ".join(part for part in details if part)),
        )


@contextlib.contextmanager
def _bar() -> Iterator[Bar]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[details]}", markup=False),
    )
    with Progress(*columns, console=output.console(), transient=True) as progress:
        yield Bar(progress)


SILENCE_S = 45.0
"""After three missed keep-alives the connection counts as lost."""

RECONNECT_FOR_S = 60.0
"""How long to reconnect to an API that does not answer. A restart takes far less."""

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0

LAST_EVENT = "end"
"""The last event of a job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSentEvent:
    """One server-sent event."""

    id: str
    name: str
    data: Json


def events(
    api: ApiClient,
    job_id: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[ServerSentEvent]:
    """Yield the events of a job to the last one.

    Reconnects after the last received event if the connection is lost. Raises ApiUnreachable if the
    API stays unreachable, ApiRefused if the job does not exist.
    """
    last_id: str | None = None
    received_at: float | None = None
    wait_s = FIRST_PAUSE_S
    while True:
        try:
            for event in _connection(api, job_id, last_id):
                last_id, received_at, wait_s = event.id or last_id, clock(), FIRST_PAUSE_S
                yield event
                if event.name == LAST_EVENT:
                    return
        except ApiUnreachable:
            if received_at is None or clock() - received_at > RECONNECT_FOR_S:
                raise
        pause(wait_s)
        wait_s = min(wait_s * 2, LONGEST_PAUSE_S)


def _connection(api: ApiClient, job_id: str, last_id: str | None) -> Iterator[ServerSentEvent]:
    """Events until the connection ends, for example because the server stops."""
    import httpx2

    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    timeout = httpx2.Timeout(client.TIMEOUT_S, read=SILENCE_S)
    with (
        api.translated_errors(),
        api.http.sse(f"/jobs/{job_id}/events", headers=headers, timeout=timeout) as source,
    ):
        client.check(source.response)
        for found in source:
            if not found.data:
                continue  # a `retry:` alone is not an event
            yield ServerSentEvent(id=found.id, name=found.event, data=json.loads(found.data))
