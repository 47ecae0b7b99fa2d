import time

import httpx2
import pytest

from app.jobs.publish import job_events as job_events
from tests.integration.api import asking
from tests.integration.api.asking import ALL_QUEUES, JOBS
from tests.integration.processes import StartWorker
from tests.integration.serving import Server
from tests.waiting import eventually


def test_events_tell_the_whole_story(eager: Server) -> None:
    job_id = asking.submit(eager.http)["id"]
    found = list(asking.events(eager.http, job_id))
    assert [event.id for event in found] == sorted(event.id for event in found)
    assert (found[0].name, found[0].data["state"]) == ("state", "queued")
    assert [event.name for event in found].count("end") == 1
    assert (found[-1].name, found[-1].data["state"]) == ("end", "succeeded")
    progress = [event.data["progress"] for event in found]
    assert progress == sorted(progress)
    assert {event.data["stage"] for event in found} == {"probe_first", "probe_second", "probe_last"}


@pytest.mark.parametrize("seen", [1, 3, 6])
def test_a_client_goes_on_where_it_was_cut(eager: Server, seen: int) -> None:
    job_id = asking.submit(eager.http)["id"]
    whole = list(asking.events(eager.http, job_id))
    assert len(whole) > 7
    rest = list(asking.events(eager.http, job_id, after=whole[seen - 1].id))
    assert rest == whole[seen:]


def test_events_come_as_they_happen(http: httpx2.Client, start_worker: StartWorker) -> None:
    start_worker(ALL_QUEUES, app=asking.PROBE_APP)
    job = asking.submit(http, plan={"first": ["spin:60"]})
    following = asking.events(http, job["id"])
    assert next(following).data["state"] == "queued"
    assert next(following).data["state"] == "running"
    assert next(following).data["message"] == "first begins"
    http.post(f"{JOBS}/{job['id']}:cancel")
    assert [event.name for event in following][-1] == "end"
    assert http.get(f"{JOBS}/{job['id']}").json()["state"] == "cancelled"


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
        """Blocked right now (flag `b`): a pooled connection reports its last command for ever."""
        clients = server.platform.redis.client_list()
        return len([one for one in clients if one["cmd"] == "xread" and "b" in one["flags"]])

    job_id = asking.submit(server.http)["id"]
    with server.http.stream("GET", f"{JOBS}/{job_id}/events") as answer:
        parts = answer.iter_text()  # kept: without its iterator the client hangs up
        next(parts)
        eventually(lambda: readers() == 1, why="the stream is read")
    eventually(lambda: readers() == 0, within_s=4, why="the reader has left with its client")
