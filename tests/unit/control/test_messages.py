"""Every message that the loop itself can attach to a pool, as its owner reads it."""

from dataclasses import replace

import pytest

from app.broker import redis_keys
from app.broker.model import MisnamedQueue
from app.control.decide import findings
from app.control.decide.missing_consumers import MissingConsumers, QueueMismatch, Remedy
from app.control.pool import problems
from app.control.pool.problems import Finding, ProblemReason
from app.control.ports import InstanceName
from app.errors import BrokerRefused, BrokerUnreachable
from app.queues import QueueName

SHOP = MisnamedQueue(queue=QueueName("mail"), prefix="shop:", separator=redis_keys.SEPARATOR)
MISSING = MissingConsumers(
    replica=InstanceName("pod-1"),
    queues=(QueueName("mail"),),
    consumes_nothing=False,
    remedy=Remedy.GIVEN_BACK,
)
MISMATCH = QueueMismatch(
    consumed=(QueueName("mail"), QueueName("orders")),
    named=(QueueName("mail"), QueueName("oders")),
    unserved=(QueueName("oders"),),
    unnamed=(QueueName("orders"),),
)

MESSAGES: dict[str, tuple[Finding, str]] = {
    "another key prefix": (
        findings.misnamed([SHOP]),
        "the broker has mail with the key prefix 'shop:', not with that of this pool: set "
        "broker.keyPrefix to the application's global_keyprefix",
    ),
    "another separator": (
        findings.misnamed([replace(SHOP, separator=":")]),
        "the broker has mail with the separator (sep) ':', not with that of this pool: keep "
        "kombu's default for sep in its broker_transport_options; with another one, messages with "
        "a priority are not counted",
    ),
    "no heartbeats": (
        findings.no_heartbeats(["pod-1"], "celeryev"),
        "no heartbeat on celeryev from pod-1, so they are never removed: workers must send "
        "heartbeats (no --without-heartbeat) through the event_exchange of spec.broker, and have a "
        "node name that ends in @ and the host name",
    ),
    "replies in an unknown format": (
        findings.replies_unreadable(["celery@pod-1"], "a body of the type 'x'"),
        "the remote control replies of celery@pod-1 cannot be decoded (a body of the type 'x'), so "
        "their replicas are not drained: set the application's task_serializer to json, msgpack, "
        "yaml or pickle, and spec.concurrency",
    ),
    "no replies": (
        findings.replies_missing(["celery@pod-1"], "celery", way=None),
        "no remote control reply from celery@pod-1 on celery.pidbox, so their replicas are drained "
        "by their heartbeats alone, after drain.timeoutSeconds: a solo pool does not reply while "
        "it runs a task; otherwise remote control is off, or accept_content has none of json, "
        "pickle, msgpack and yaml",
    ),
    "unknown slots": (
        findings.slots_unknown(),
        "workers do not report their concurrency (Celery does not write its statistics as YAML), "
        "so the highest number of tasks seen running is used: set spec.concurrency",
    ),
    "queues beside the spec": (
        findings.other_queues(["orders"]),
        "draining replicas also consume orders, which spec.queues does not name: they stay until "
        "it is added",
    ),
    "other queues than the spec": (
        findings.queues_differ(MISMATCH),
        "workers consume mail, orders; spec.queues names mail, oders: no worker consumes oders, so "
        "messages there wait: correct the name in spec.queues, or add it to the workers' --queues; "
        "orders is not in spec.queues, so its messages are not counted and the replicas that "
        "consume it are not removed: add it to spec.queues, or stop consuming it ('celery control "
        "cancel_consumer', if no --queues names it)",
    ),
    "lost consumers": (
        findings.not_consuming([MISSING, replace(MISSING, remedy=Remedy.LEFT)]),
        "pod-1 does not consume mail (told to consume again); pod-1 does not consume mail (lost "
        "again after they were restored, so they are cancelled on purpose: 'celery control "
        "add_consumer' restores them). A replica that consumes nothing does not count and is "
        "replaced",
    ),
    "an idle worker": (
        findings.not_consuming(
            [replace(MISSING, queues=(), consumes_nothing=True, remedy=Remedy.UNKNOWN)]
        ),
        "pod-1 consumes nothing (its queues are not known, so restart it). A replica that consumes "
        "nothing does not count and is replaced",
    ),
    "private messages": (
        findings.private_messages(["pod-1"], 3),
        "pod-1 first runs the messages of its own queues (worker_direct: 3), which no other worker "
        "can run",
    ),
    "hung at the start": (
        findings.not_started(["a", "b", "c", "d"], longest_s=12.3),
        "no heartbeat from a, b, c and 1 more since the start; other replicas took at most 12 s. "
        "They do not count, and are removed once enough others run. Check their logs",
    ),
    "a short grace period": (
        findings.grace_period_short(grace_s=30.0, runtime_s=90.0),
        "tasks run for 90 s on average, but replicas get 30 s to end: an eviction or a rollout "
        "interrupts tasks. Set terminationGracePeriodSeconds above the longest task",
    ),
    "overdue": (
        findings.overdue(["pod-1"]),
        "still busy after drain.timeoutSeconds: pod-1. Their tasks are not interrupted unless "
        "drain.onTimeout is Retire",
    ),
    "unknown victims": (
        findings.shrinks_to_zero_only(),
        "which replica the target would remove is not known (it is not a Deployment or "
        "StatefulSet, or a rollout is in progress), so the pool only shrinks to zero; drain.policy "
        "None shrinks it regardless of running tasks",
    ),
    "fixed outside the bounds": (
        findings.fixed_out_of_bounds(12, minimum=0, maximum=10),
        "the size is fixed at 12, above maxReplicas 10; remove spec.replicas (or the annotation "
        "celeriac.dev/paused-replicas) to size by demand again",
    ),
    "broker away": (
        problems.of_broker(BrokerUnreachable(host="redis:6379")),
        "no answer from the broker at redis:6379; replicas are kept until it answers again",
    ),
    "broker refuses": (
        problems.of_broker(BrokerRefused(host="redis:6379", reason="WRONGPASS")),
        "refused by the broker at redis:6379: WRONGPASS; check the user, the password and the "
        "permissions of the broker URL, and the state of the server. Replicas are kept meanwhile",
    ),
}


@pytest.mark.parametrize(("found", "want"), MESSAGES.values(), ids=MESSAGES.keys())
def test_a_finding_says_what_is_wrong_and_the_way_out(found: Finding, want: str) -> None:
    assert found.message == want


def test_every_reason_of_the_loop_itself_has_a_message() -> None:
    of_adapters = {
        *(ProblemReason.INVALID_SPEC, ProblemReason.INVALID_ANNOTATION),
        *(ProblemReason.INVALID_SCHEDULE, ProblemReason.UNKNOWN_ANNOTATION),
        *(ProblemReason.TARGET_NOT_FOUND, ProblemReason.TARGET_NOT_SCALABLE),
        *(ProblemReason.TARGET_FORBIDDEN, ProblemReason.TARGET_SHARED),
        *(ProblemReason.TARGET_UNREACHABLE, ProblemReason.BROKER_UNKNOWN),
        *(ProblemReason.SCALE_CONFLICT, ProblemReason.SCALE_REFUSED),
        *(ProblemReason.PODS_REFUSED, ProblemReason.POD_PATCH_REFUSED),
    }

    assert {found.reason for found, _ in MESSAGES.values()} == set(ProblemReason) - of_adapters
