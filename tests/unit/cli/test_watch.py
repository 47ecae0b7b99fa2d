"""Following over lost connections, against scripted answers; the clock is the test's."""

from collections.abc import Callable, Iterator

import httpx2
import pytest

from app.cli import watch
from app.cli.client import ApiClient, ApiRefused, ApiUnreachable
from app.cli.watch import ServerSentEvent

Answer = Callable[[httpx2.Request], httpx2.Response]


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def pause(self, wait_s: float) -> None:
        self.now_s += wait_s


def events(
    *answers: Answer, clock: Clock | None = None
) -> tuple[list[ServerSentEvent], list[str | None]]:
    """What following yields, and the position that each connection asked to go on from."""
    waiting = iter(answers)
    asked: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        return next(waiting)(request)

    time = clock if clock is not None else Clock()
    transport = httpx2.MockTransport(answer)
    with httpx2.Client(transport=transport, base_url="http://api/api/v1") as http:
        found = list(watch.events(ApiClient(http), "j1", clock=time, pause=time.pause))
    return found, asked


def stream(*parts: str, breaks: bool = False) -> Answer:
    def body() -> Iterator[bytes]:
        yield from (part.encode() for part in parts)
        if breaks:
            raise httpx2.ReadError("connection reset")

    headers = {"Content-Type": "text/event-stream"}
    return lambda _: httpx2.Response(200, headers=headers, content=body())


def unreachable(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("connection refused")


def refused(_: httpx2.Request) -> httpx2.Response:
    problem = {"title": "Not found", "status": 404, "detail": "no job 'j1'"}
    return httpx2.Response(404, json=problem)


ONE = 'id: 1\nevent: progress\ndata: {"progress": 10}\n\n'
TWO = 'id: 2\nevent: progress\ndata: {"progress": 20}\n\n'
END = 'id: 3\nevent: end\ndata: {"state": "succeeded"}\n\n'
WANT = [
    ServerSentEvent(id="1", name="progress", data={"progress": 10}),
    ServerSentEvent(id="2", name="progress", data={"progress": 20}),
    ServerSentEvent(id="3", name="end", data={"state": "succeeded"}),
]


def test_events_arrive_in_order() -> None:
    parts = ("retry: 1000\n\n", ONE, ": keep-alive\n\n", TWO, END)
    assert events(stream(*parts)) == (WANT, [None])


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(stream(ONE, breaks=True), id="the connection breaks"),
        pytest.param(stream(ONE), id="the server stops"),
        pytest.param(stream(ONE, TWO[:20]), id="in the middle of an event"),
    ],
)
def test_a_lost_connection_is_made_again_from_the_last_event(first: Answer) -> None:
    assert events(first, unreachable, stream(TWO, END)) == (WANT, [None, "1", "1"])


def test_an_api_that_stays_away_is_given_up() -> None:
    clock = Clock()
    with pytest.raises(ApiUnreachable, match="connection refused"):
        events(stream(ONE), *[unreachable] * 100, clock=clock)
    assert watch.RECONNECT_FOR_S < clock.now_s < watch.RECONNECT_FOR_S + watch.LONGEST_PAUSE_S * 2


def test_an_api_that_was_never_there_is_not_waited_for() -> None:
    clock = Clock()
    with pytest.raises(ApiUnreachable):
        events(unreachable, clock=clock)
    assert clock.now_s == 0.0


def test_a_job_that_is_not_there_is_told() -> None:
    with pytest.raises(ApiRefused, match="Not found: no job 'j1'"):
        events(refused)
