"""Each misconfiguration of an application is found on real workers."""

import os
from pathlib import Path

import pytest

from app.doctor import application_checks
from tests.integration.doctor import examined
from tests.integration.foreign_application import ForeignApplication
from tests.integration.processes import Started, StartWorker
from tests.waiting import eventually

MORE = "tests.integration.doctor.more_tasks"
"""A module with a task that other workers do not import."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What was seen on a healthy application, and on one with everything wrong."""
    folder: Path = tmp_path_factory.mktemp("shop")
    with (
        examined.valkey() as url,
        Started(folder=folder, environment=dict(os.environ)) as started,
    ):
        shop = ForeignApplication(url=url, folder=folder, started=started)
        shop.worker("one")
        healthy = examined.found(examined.examine(url))
        wrong = {
            "task_acks_late": False,
            "accept_content": ["json", "pickle"],
            "broker_connection_retry": False,
            "result_backend": url,
            "result_expires": None,
            "task_ignore_result": False,
            "task_always_eager": True,
        }
        short = {"task_time_limit": 900, "broker_transport_options": {"visibility_timeout": 600}}
        shop.worker("one")
        shop.worker("two", ["other"], conf=short)
        shop.worker("three", conf=wrong, arguments=("--include", MORE))
        steps = {"broker_transport_options": {"priority_steps": list(range(10))}}
        publisher = ForeignApplication(url=url, folder=folder, conf=steps)
        publisher.send("nap", 1, priority=5)
        shop.send("nap", 2, queue="Shopp")
        shop.send("carry", 3, "x" * 1_100_000, queue="elsewhere")
        shop.send("hold", 4, shop.held(), queue="other")
        eventually(lambda: shop.records("begin") != [], within_s=60, why="a worker is busy")
        shop.send("unknown", 5, queue="other")
        return {"healthy": healthy, "wrong": examined.found(examined.examine(url))}


def test_a_healthy_application_has_no_finding(seen: dict[str, dict[str, str]]) -> None:
    assert seen["healthy"] == {}


def test_a_worker_of_this_platform_has_no_finding(
    start_worker: StartWorker, environment: dict[str, str]
) -> None:
    start_worker(["download"])
    report = examined.examine(environment["CELERY_BROKER_URL"])
    # The server of the tests has no persistence, so that they are fast.
    assert examined.found(report).keys() == {"redis-without-persistence"}
    assert report.unchecked == ()


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("queue-misspelt", "'Shopp' has 1 message and no consumer; workers consume 'shop'"),
        ("queue-without-consumer", "'elsewhere' has 1 message and no consumer"),
        ("priority-step-unread", "'shop' has messages in step 5; workers read [0, 3, 6, 9]"),
        ("task-not-registered", "unknown waits in 'other', and no worker there knows it"),
        ("message-too-large", "a message in 'elsewhere' has 1.4 MiB"),
        ("node-name-twice", "2 workers have the name one@shop"),
        ("registered-tasks-differ", "of the workers of 'shop' only some know doctor.more"),
        ("visibility-timeouts-differ", "visibility_timeout is 10 min to 1 h"),
        (
            "visibility-timeout-too-short",
            "two@shop: visibility_timeout 10 min, task_time_limit 15 min",
        ),
        ("acks-early", "4 of 4 tasks: carry, doctor.more, hold and 1 more"),
        ("pickle-accepted", "accept_content has pickle on three@shop"),
        ("results-never-expire", "results have no expiry on three@shop"),
        ("tasks-run-eagerly", "task_always_eager is True on three@shop"),
        ("worker-does-not-reconnect", "broker_connection_retry is False on three@shop"),
    ],
)
def test_a_finding_names_what_was_seen(
    seen: dict[str, dict[str, str]], name: str, want: str
) -> None:
    assert seen["wrong"].get(name) == want


def test_an_application_with_a_key_prefix_is_examined(tmp_path: Path) -> None:
    with examined.valkey() as url:
        shop = ForeignApplication(url=url, folder=tmp_path, prefix="shop:")
        with shop.client() as client:
            client.send_task("carry", args=(1, "x" * 1_100_000), queue="shop")
        assert examined.found(examined.examine(url)) == {}
        seen = examined.found(examined.examine(url, key_prefix="shop:"))
    assert seen == {"message-too-large": "a message in 'shop' has 1.4 MiB"}


def test_every_check_of_an_application_is_provoked(seen: dict[str, dict[str, str]]) -> None:
    ids = {check.id for check in application_checks.registry.checks}
    assert ids - seen["wrong"].keys() == set()
