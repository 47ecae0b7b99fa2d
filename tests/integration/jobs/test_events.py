"""Following a job's events on a real Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import pytest

from app.broker.connections import redis_clients
from app.broker.connections.address import parse_address
from app.jobs.model.job import Job, JobState, Progress
from app.jobs.publish import job_events
from app.jobs.publish.job_events import EventKind, EventWriter, JobEvent
from tests.unit.jobs import build


@pytest.fixture
def writer(redis_url: str) -> EventWriter:
    return EventWriter(
        redis_clients.open_client(parse_address(redis_url)), length=1000, expire_s=60
    )


RUNNING = build.job(state=JobState.RUNNING, progress=40.0, message="at it")
DONE = replace(RUNNING, state=JobState.SUCCEEDED, progress=100.0)


def found(job: Job | None) -> Callable[[], Awaitable[Job | None]]:
    async def find() -> Job | None:
        return job

    return find


async def collect(
    redis_url: str, job: Job | None, *, after: str = job_events.FIRST_ID, poll_s: float = 0.1
) -> list[JobEvent | None]:
    """Everything until the end, with the row as `job`; at most five silences."""
    client = redis_clients.open_reader(parse_address(redis_url))
    told: list[JobEvent | None] = []
    async with aclosing(
        job_events.follow(client, RUNNING.id, find=found(job), after=after, poll_s=poll_s)
    ) as follower:
        async for event in follower:
            told.append(event)
            if told.count(None) == 5:
                break
    await client.aclose()
    return told


def kinds(told: list[JobEvent | None]) -> list[EventKind | None]:
    return [None if event is None else event.kind for event in told]


def test_follow_replays_and_ends_with_the_end(writer: EventWriter, redis_url: str) -> None:
    writer.state(RUNNING)
    writer.progress(RUNNING, Progress(progress=50.0, message="half"))
    writer.state(DONE)

    told = asyncio.run(collect(redis_url, DONE))

    assert kinds(told) == [EventKind.STATE, EventKind.PROGRESS, EventKind.END]
    assert told[1] is not None
    assert told[1].data["message"] == "half"


def test_follow_goes_on_after_the_last_seen_event(writer: EventWriter, redis_url: str) -> None:
    writer.state(RUNNING)
    writer.state(DONE)
    whole = asyncio.run(collect(redis_url, DONE))
    assert whole[0] is not None

    rest = asyncio.run(collect(redis_url, DONE, after=whole[0].id))

    assert rest == whole[1:]


def test_follow_of_an_expired_stream_ends_with_the_row(redis_url: str) -> None:
    told = asyncio.run(collect(redis_url, DONE))

    assert kinds(told) == [EventKind.END]
    assert told[0] is not None
    assert told[0].data["state"] == "succeeded"


def test_follow_of_a_job_that_is_gone_ends(redis_url: str) -> None:
    assert asyncio.run(collect(redis_url, None)) == []


def test_follow_without_news_gives_signs_of_life(writer: EventWriter, redis_url: str) -> None:
    writer.state(RUNNING)

    told = asyncio.run(collect(redis_url, RUNNING))

    assert kinds(told) == [EventKind.STATE, *[None] * 5]


def test_follow_goes_on_when_a_failed_job_is_taken_up_again(
    writer: EventWriter, redis_url: str
) -> None:
    writer.state(replace(RUNNING, state=JobState.FAILED))
    writer.state(RUNNING)

    told = asyncio.run(collect(redis_url, RUNNING))

    assert kinds(told)[:2] == [EventKind.STATE, None]


def test_follow_gets_news_as_they_come(writer: EventWriter, redis_url: str) -> None:
    async def write_when_read() -> list[EventKind | None]:
        client = redis_clients.open_reader(parse_address(redis_url))
        follower = job_events.follow(client, RUNNING.id, find=found(RUNNING), poll_s=20.0)
        told = []
        for job in (RUNNING, RUNNING):
            waiting = asyncio.ensure_future(anext(follower))
            await asyncio.to_thread(writer.state, job)
            told.append(await waiting)
        await follower.aclose()
        await client.aclose()
        return kinds(told)

    assert asyncio.run(write_when_read()) == [EventKind.STATE, EventKind.STATE]


def test_follow_of_a_silent_redis_ends_with_the_row() -> None:
    told = asyncio.run(collect("redis://127.0.0.1:1/0", DONE))

    assert kinds(told) == [EventKind.END]


def test_the_stream_is_capped_and_expires(redis_url: str) -> None:
    client = redis_clients.open_client(parse_address(redis_url))
    writer = EventWriter(client, length=100, expire_s=60)
    for number in range(1000):
        writer.progress(RUNNING, Progress(progress=number / 10))

    key = job_events.stream_key(RUNNING.id)
    assert 100 <= client.xlen(key) < 300
    assert 0 < client.ttl(key) <= 60


def test_latest_tells_of_those_jobs_that_have_news(writer: EventWriter) -> None:
    silent = replace(RUNNING, id=build.job_id(2))
    writer.progress(RUNNING, Progress(progress=50.0, speed="1 MB/s", eta_seconds=3.0))

    latest = writer.latest([RUNNING.id, silent.id])

    assert latest == {RUNNING.id: Progress(progress=50.0, speed="1 MB/s", eta_seconds=3.0)}


def test_a_silent_redis_costs_news_and_no_time() -> None:
    now = [0.0]
    writer = EventWriter(
        redis_clients.open_client(parse_address("redis://127.0.0.1:1/0")),
        length=10,
        expire_s=60,
        monotonic=lambda: now[0],
    )

    writer.state(RUNNING)

    assert writer.latest([RUNNING.id]) == {}
    assert not writer.is_answered()
