"""A platform that its process forks."""

import os
import signal
import threading
from collections.abc import Callable

import pytest

from app.jobs.model.job import JobState
from app.jobs.platform import Platform
from app.jobs.service import Jobs
from tests.integration.jobs import acts
from tests.waiting import eventually

# Later Pythons warn of what is tested here: a fork of a process with threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def in_child(act: Callable[[], object]) -> int:
    """Run `act` in a forked child; its exit code, 0 when nothing was raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(30)
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def test_a_forked_child_opens_its_own_connections(platform: Platform, jobs: Jobs) -> None:
    jobs.submit(acts.request())  # database, broker and events are open here now
    before = platform.redis.client_id()
    with platform.database.read() as connection:
        inherited = connection.connection.dbapi_connection

    def act() -> None:
        made = jobs.submit(acts.request({"first": ["ok"]}))
        assert jobs.get(made.id) == made
        with platform.database.read() as connection:
            assert connection.connection.dbapi_connection is not inherited
        assert platform.redis.client_id() != before

    assert [in_child(act) for _ in range(3)] == [0, 0, 0]
    assert platform.redis.client_id() == before
    assert jobs.counts_by_state()[JobState.QUEUED] == 4


def test_a_child_forked_in_the_middle_of_a_read_is_not_locked_out(platform: Platform) -> None:
    is_inside, may_go_on = threading.Event(), threading.Event()

    def read_slowly() -> None:
        with platform.database.read():
            is_inside.set()
            may_go_on.wait()

    reader = threading.Thread(target=read_slowly)
    reader.start()
    is_inside.wait()

    code = in_child(lambda: platform.jobs.counts_by_state())

    may_go_on.set()
    reader.join()
    assert code == 0


def test_a_closed_platform_opens_again(platform: Platform, jobs: Jobs) -> None:
    made = jobs.submit(acts.request())

    platform.close()

    assert jobs.get(made.id) == made
    eventually(platform.events.is_answered)
