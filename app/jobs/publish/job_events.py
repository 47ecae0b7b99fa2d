"""What happens to a job, as it happens: a capped, expiring stream in Redis for each job.

The row is the source of truth: without Redis events are lost, and work goes on. So the
writer raises nothing, and the reader checks the row from time to time.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import redis
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError

from app.jobs.model import job_document
from app.jobs.model.job import Job, JobId, JsonObject, Progress

logger = logging.getLogger(__name__)

PAUSE_S = 5.0
"""After a failure nothing is written for so long: work does not wait for time-outs again and
again."""

FIRST_ID = "0-0"

POLL_S = 5.0
"""A follower without events checks the row this often."""


ANSWER_S = 5.0
"""An answer that is so much overdue does not come any more."""

READ_COUNT = 200
"""Events that one answer brings at most."""


class EventKind(StrEnum):
    """The kind of an event."""

    STATE = "state"
    """State, stage or attempt changed."""
    PROGRESS = "progress"
    END = "end"
    """The job has ended; no event follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One event of a job."""

    id: str
    """Sorts by time; a follower hands back the last one it has seen."""
    kind: EventKind
    data: JsonObject
    """state, stage, attempt, progress, message; speed, eta_seconds, error where there are any."""


_STATE_FIELDS = ("state", "stage", "attempt", "progress", "message")


def stream_key(job_id: JobId) -> str:
    return f"celeriac:events:{job_id}"


def state_data(job: Job) -> JsonObject:
    """The data of a `state` or `end` event."""
    document, error = job_document.job_json(job), job.error
    return {
        **{name: document[name] for name in _STATE_FIELDS},
        "error": None if error is None else {"type": error.type, "message": error.message},
    }


class EventWriter:
    """Writes the events of jobs; safe to use from many threads."""

    def __init__(
        self,
        client: "redis.Redis",
        *,
        length: int,
        expire_s: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._length = length
        self._expire_s = expire_s
        self._monotonic = monotonic
        self._quiet_until = 0.0

    def state(self, job: Job) -> None:
        """Write the state of the job; the last event when it is final."""
        self.states([job])

    def states(self, jobs: Sequence[Job]) -> None:
        """The same for many jobs in one round trip."""
        self._write([(job.id, _kind_of(job), state_data(job)) for job in jobs])

    def progress(self, job: Job, seen: Progress) -> None:
        """Write the progress of the job."""
        stage = {"state": job.state.value, "stage": job.stage, "attempt": job.attempt}
        data = {**stage, **asdict(seen)}
        self._write([(job.id, EventKind.PROGRESS, data)])

    def latest(self, job_ids: Sequence[JobId]) -> dict[JobId, Progress]:
        """How far each job is by its last event. Jobs without news, and all of them when Redis is
        away, are missing."""
        if not job_ids or self.is_quiet:
            return {}
        try:
            pipeline = self._client.pipeline(transaction=False)
            for job_id in job_ids:
                pipeline.xrevrange(stream_key(job_id), count=1)
            answers = pipeline.execute()
        except (RedisError, OSError) as error:
            self._be_quiet(error)
            return {}
        found = zip(job_ids, answers, strict=True)
        return {job_id: _seen(entries[0][1]) for job_id, entries in found if entries}

    def forget(self, job_ids: Sequence[JobId]) -> None:
        """Remove the events of jobs that were removed."""
        if not job_ids or self.is_quiet:
            return
        try:
            self._client.delete(*(stream_key(job_id) for job_id in job_ids))
        except (RedisError, OSError) as error:
            self._be_quiet(error)

    def is_answered(self) -> bool:
        """Whether Redis is there right now. When it is, events are written again at once."""
        try:
            self._client.ping()
        except (RedisError, OSError):
            return False
        self._quiet_until = 0.0
        return True

    @property
    def is_quiet(self) -> bool:
        """Whether Redis failed a moment ago, so that nothing is asked of it for now."""
        return self._monotonic() < self._quiet_until

    def _be_quiet(self, error: Exception) -> None:
        self._quiet_until = self._monotonic() + PAUSE_S
        logger.warning("events are not written", extra={"reason": str(error), "pause_s": PAUSE_S})

    def _write(self, news: Sequence[tuple[JobId, EventKind, JsonObject]]) -> None:
        if not news or self.is_quiet:
            return
        try:
            pipeline = self._client.pipeline(transaction=False)
            for job_id, kind, data in news:
                key = stream_key(job_id)
                fields: dict[Any, Any] = {"kind": kind.value, "data": json.dumps(data)}
                pipeline.xadd(key, fields, maxlen=self._length, approximate=True)
                pipeline.expire(key, self._expire_s)
            pipeline.execute()
        except (RedisError, OSError) as error:
            self._be_quiet(error)


def _kind_of(job: Job) -> EventKind:
    return EventKind.END if job.state.is_final else EventKind.STATE


async def follow(
    client: "redis_asyncio.Redis",
    job_id: JobId,
    *,
    find: Callable[[], Awaitable[Job | None]],
    after: str = FIRST_ID,
    poll_s: float = POLL_S,
) -> AsyncGenerator[JobEvent | None, None]:
    """A job's events after the one with the id `after`: those there are, then those that come.

    Ends after the `end` event. Gives None when `poll_s` have passed without news, so that the
    caller can tell its client that it is still there. `find` reads the row: it is asked then, and
    when the stream is gone or Redis is away, and its final state ends the events as well.
    """
    last = after
    while True:
        events = await _read(client, job_id, after=last, block_s=poll_s)
        for event in events:
            last = event.id
            if event.kind is not EventKind.END or await _is_over(find):
                yield event
                if event.kind is EventKind.END:
                    return
        if events:
            continue
        job = await find()
        if job is None:
            return
        if job.state.is_final:
            yield JobEvent(id=last, kind=EventKind.END, data=state_data(job))
            return
        yield None


async def _is_over(find: Callable[[], Awaitable[Job | None]]) -> bool:
    """Whether an `end` is the end: a job that failed may have been taken up again since."""
    job = await find()
    return job is None or job.state.is_final


async def _read(
    client: "redis_asyncio.Redis", job_id: JobId, *, after: str, block_s: float
) -> list[JobEvent]:
    """The next events; none when `block_s` have passed, which is also how a silent Redis reads."""
    started_at = time.monotonic()
    key = stream_key(job_id)
    try:
        async with asyncio.timeout(block_s + ANSWER_S):
            block = int(block_s * 1000)
            answer: Any = await client.xread({key: after}, count=READ_COUNT, block=block)
    except (RedisError, OSError) as error:
        logger.warning("events are not read", extra={"job_id": job_id, "reason": str(error)})
        await asyncio.sleep(max(0.0, started_at + block_s - time.monotonic()))
        return []
    return [parse_event(*entry) for entry in answer[0][1]] if answer else []


def parse_event(entry_id: bytes, fields: dict[bytes, bytes]) -> JobEvent:
    """An entry of the stream as the event that it is."""
    kind = EventKind(fields[b"kind"].decode())
    return JobEvent(id=entry_id.decode(), kind=kind, data=json.loads(fields[b"data"]))


def _seen(fields: dict[bytes, bytes]) -> Progress:
    data = json.loads(fields[b"data"])
    return Progress(
        progress=data["progress"],
        message=data["message"],
        speed=data.get("speed"),
        eta_seconds=data.get("eta_seconds"),
    )
