"""What a scrape reads."""

from collections.abc import Iterable
from dataclasses import replace

from prometheus_client.core import Metric

from app.broker.model import ConsumedQueue, NodeConsumers, NodeName, QueueReading
from app.exporter import families
from app.exporter.series import Host
from app.queues import QueueName

MAIL = QueueName("mail")


def values(found: Iterable[Metric]) -> dict[tuple[str, ...], float]:
    return {
        (each.name, *each.labels.values()): each.value
        for family in found
        for each in family.samples
    }


def test_the_states_of_a_queue_are_disjoint() -> None:
    reading = QueueReading(name=MAIL, ready=5, unacked=4, scheduled=3, oldest_age_s=7.5)
    assert values(families.of_queues([reading])) == {
        ("celery_queue_length", "mail"): 5,
        ("celery_queue_messages", "mail", "ready"): 5,
        ("celery_queue_messages", "mail", "unacked"): 1,
        ("celery_queue_messages", "mail", "scheduled"): 3,
        ("celery_queue_oldest_message_age_seconds", "mail"): 7.5,
    }


def test_what_is_not_known_of_a_queue_has_no_sample() -> None:
    found = values(families.of_queues([QueueReading(name=MAIL, ready=5)]))
    assert set(found) == {
        ("celery_queue_length", "mail"),
        ("celery_queue_messages", "mail", "ready"),
    }


def test_numbers_that_a_worker_makes_up_fit_into_a_sample() -> None:
    host = Host(active=10**400, is_up=True, seen_at_s=0.0)
    found = values(families.of_workers({"pod": host, "half \ud800": replace(host, active=-5)}))
    assert found[("celery_worker_tasks_active", "pod")] == families.MOST
    assert found[("celery_worker_tasks_active", "half \\ud800~711a43f0")] == 0


def test_a_queue_that_nobody_consumes_has_no_workers() -> None:
    profile = NodeConsumers(
        node=NodeName("a@pod"),
        seen_at_s=0.0,
        queues=frozenset({ConsumedQueue(name=MAIL)}),
        slots=4,
    )
    assert values(families.of_consumers([profile], ["mail", "news"])) == {
        ("celery_active_worker_count", "mail"): 1,
        ("celery_active_worker_count", "news"): 0,
        ("celery_active_process_count", "mail"): 4,
        ("celery_active_process_count", "news"): 0,
    }
