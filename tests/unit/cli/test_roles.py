import sys

import pytest

from app import queues
from app.cli import roles
from app.errors import InvalidInput
from app.queues import PoolKind


def worker_options(*names: str, **given: object) -> dict[str, str]:
    served = [roles.find_queue(name, queues.BY_NAME) for name in names]
    arguments = roles.worker_arguments(served, **given)  # type: ignore[arg-type]  # given by the test
    return dict(zip(arguments[::2], arguments[1::2], strict=True))


@pytest.mark.parametrize(
    ("names", "pool", "concurrency"),
    [
        pytest.param(["documents"], "prefork", "2", id="a queue's own pool"),
        pytest.param(["download"], "threads", "4", id="threads for what waits for the network"),
        pytest.param(["download", "websites"], "threads", "4", id="two of one kind"),
        pytest.param(["download", "conversion"], "prefork", "4", id="processes serve both kinds"),
    ],
)
def test_the_queues_choose_the_pool(names: list[str], pool: str, concurrency: str) -> None:
    found = worker_options(*names)
    assert (found["--pool"], found["--concurrency"]) == (pool, concurrency)
    assert found["--queues"] == ",".join(names)


def test_the_user_has_the_last_word() -> None:
    found = worker_options("documents", pool=PoolKind.THREADS, concurrency=1)
    assert (found["--pool"], found["--concurrency"]) == ("threads", "1")


def test_an_unknown_queue_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInput, match=r"'docs'.*documents"):
        roles.find_queue("docs", queues.BY_NAME)


def test_every_declared_queue_can_be_served() -> None:
    assert worker_options(*queues.BY_NAME)["--pool"] == "prefork"


@pytest.mark.parametrize(
    ("log_format", "want"),
    [(None, []), ("text", []), ("json", ["--quiet"])],
)
def test_a_log_of_json_begins_without_a_banner(log_format: str | None, want: list[str]) -> None:
    start = [sys.executable, "-m", "celery", "-A", "app.celery_app"]
    assert roles.celery_command(["beat"], log_format=log_format) == [*start, *want, "beat"]
