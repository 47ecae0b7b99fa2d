"""The events of a job as they come, over as many connections as it takes."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.cli import client
from app.cli.client import Api, ApiAway

Json = Any  # a JSON value: the type system has no better word for it

SILENCE_S = 45.0
"""Three missed keep-alives of the server: the connection is dead, whatever the socket says."""

PATIENCE_S = 60.0
"""How long an API may be away before following ends: a restart is far shorter."""

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0

LAST_EVENT = "end"
"""The event after which the server closes the stream for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event."""

    id: str
    name: str
    data: Json


def events(
    api: Api,
    job_id: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """Yield the job's events until the server says that there will be no more.

    A lost connection is made again from the last event. Raises ApiAway when the API stays away,
    ApiRefused when there is no such job.
    """
    last_id: str | None = None
    heard_at: float | None = None
    wait_s = FIRST_PAUSE_S
    while True:
        try:
            for event in _connection(api, job_id, last_id):
                last_id, heard_at, wait_s = event.id or last_id, clock(), FIRST_PAUSE_S
                yield event
                if event.name == LAST_EVENT:
                    return
        except ApiAway:
            if heard_at is None or clock() - heard_at > PATIENCE_S:
                raise
        pause(wait_s)
        wait_s = min(wait_s * 2, LONGEST_PAUSE_S)


def _connection(api: Api, job_id: str, last_id: str | None) -> Iterator[Event]:
    """Events until this connection ends, as it does when a server stops."""
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
                continue  # a `retry:` alone is no event
            yield Event(id=found.id, name=found.event, data=json.loads(found.data))
