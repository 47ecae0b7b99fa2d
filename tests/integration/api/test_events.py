import time

import httpx2

from app.jobs import events as job_events
from tests.integration.api import asking
from tests.integration.api.asking import ALL_QUEUES, JOBS
from tests.integration.processes import StartWorker
from tests.integration.serving import Server
from tests.waiting import eventually


def test_events_tell_the_whole_story(http: httpx2.Client, start_worker: StartWorker) -> None:
    start_worker(ALL_QUEUES, app=asking.PROBE_APP)
    job_id = asking.submit(http)["id"]
    found = list(asking.events(http, job_id))
    assert [event.id for event in found] == sorted(event.id for event in found)
    assert (found[0].name, found[0].data["state"]) == ("state", "queued")
    assert [event.name for event in found].count("end") == 1
    assert (found[-1].name, found[-1].data["state"]) == ("end", "succeeded")
    progress = [event.data["progress"] for event in found]
    assert progress == sorted(progress)
    assert {event.data["stage"] for event in found} == {"probe_first", "probe_second", "probe_last"}


def test_a_client_goes_on_where_it_was_cut(http: httpx2.Client, start_worker: StartWorker) -> None:
    start_worker(ALL_QUEUES, app=asking.PROBE_APP)
    job_id = asking.submit(http)["id"]
    whole = list(asking.events(http, job_id))
    for number, event in enumerate(whole[:-1]):
        rest = list(asking.events(http, job_id, after=event.id))
        assert rest == whole[number + 1 :]


def test_an_id_of_somebody_else_begins_anew(http: httpx2.Client) -> None:
    job_id = asking.submit(http)["id"]
    http.post(f"{JOBS}/{job_id}:cancel")
    assert list(asking.events(http, job_id, after="<script>")) == list(asking.events(http, job_id))


def test_a_job_whose_events_are_forgotten_still_ends(server: Server) -> None:
    http = server.http
    job_id = asking.submit(http)["id"]
    http.post(f"{JOBS}/{job_id}:cancel")
    server.platform.redis.delete(job_events.stream_key(job_id))
    began = time.monotonic()
    found = list(asking.events(http, job_id))
    assert [(event.name, event.data["state"]) for event in found] == [("end", "cancelled")]
    assert time.monotonic() - began < 2


def test_the_headers_keep_proxies_from_holding_events_back(http: httpx2.Client) -> None:
    job_id = asking.submit(http)["id"]
    with http.stream("GET", f"{JOBS}/{job_id}/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert next(answer.iter_text()).startswith("retry: 1000\n\n")


def test_a_client_that_leaves_is_not_read_for(server: Server) -> None:
    def readers() -> int:
        clients = server.platform.redis.client_list()
        return len([client for client in clients if client["cmd"] == "xread"])

    job_id = asking.submit(server.http)["id"]
    with server.http.stream("GET", f"{JOBS}/{job_id}/events") as answer:
        next(answer.iter_text())
        eventually(lambda: readers() == 1, why="the stream is read")
    eventually(lambda: readers() == 0, within_s=4, why="the reader has left with its client")
