"""Pods are read as replicas, and found by the selector of their target."""

from typing import Any

import pytest

from app.broker.model import NodeName
from app.control.ports import CancelledConsumers, DrainMark, Instance, InstanceName
from app.operator.resources import pods, selectors, well_known
from app.operator.resources.pods import PodStore
from app.queues import QueueName
from app.scaling.replica_state import Removal
from tests.unit.operator.builders import pod


def instance(**document: Any) -> Instance:
    read = pods.parse_pod(pod(**document))
    assert read is not None
    return read.instance


def test_a_running_pod_is_a_replica() -> None:
    want = Instance(
        name=InstanceName("shop-1"), is_ready=True, started_at_s=1772366400.0, host="shop-1"
    )
    assert instance() == want


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_is_none(phase: str) -> None:
    assert pods.parse_pod(pod(phase=phase)) is None


def test_a_waiting_pod_holds_no_task() -> None:
    read = instance(ready=False, running=False)
    assert (read.is_ready, read.is_started, read.is_ending) == (False, False, False)


def test_a_deleted_pod_is_ending() -> None:
    assert instance(deletionTimestamp="2026-03-01T12:00:00Z").is_ending


def test_the_mark_of_a_drain_is_read_back_as_written() -> None:
    queues = frozenset({QueueName("mail"), QueueName("a, b")})
    cancelled = {NodeName("celery@shop-1"): CancelledConsumers(queues=queues, at_s=1772366400.5)}
    mark = DrainMark(since_s=1772366400.25, cancelled=cancelled)
    written = pods.mark_patch(mark, pool="documents")["metadata"]
    read = pods.parse_pod(pod(annotations=written["annotations"]))
    assert read is not None
    assert (read.instance.mark, read.is_first_to_go) == (mark, False)
    assert written["labels"] == {well_known.DRAINING: "documents"}


def test_what_was_cancelled_is_known_after_the_mark_is_taken_off() -> None:
    """A worker that loses its connection may forget the consumers that it was given back."""
    node = NodeName("celery@shop-1")
    mark = DrainMark(
        since_s=5.0,
        cancelled={node: CancelledConsumers(queues=frozenset({QueueName("mail")}), at_s=6.0)},
    )
    written = pods.mark_patch(mark, pool="documents")["metadata"]["annotations"]
    for name in pods.mark_patch(None, pool="documents")["metadata"]["annotations"]:
        written.pop(name, None)
    read = instance(annotations=written)
    assert (read.mark, read.cancelled) == (None, mark.cancelled)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"w@a": ["mail"]}', '{"w@a": {"queues": 5}}'])
def test_a_record_that_cannot_be_read_gives_no_queue_back(text: str) -> None:
    found = instance(
        annotations={
            well_known.DRAINING_SINCE: "2026-03-01T12:00:00Z",
            well_known.CANCELLED_CONSUMERS: text,
        }
    )
    assert found.mark == DrainMark(since_s=1772366400.0)


def test_taking_a_mark_off_lets_the_pod_live() -> None:
    written = pods.mark_patch(None, pool="documents")["metadata"]
    assert written == {
        "labels": {well_known.DRAINING: None},
        "annotations": {well_known.DRAINING_SINCE: None, well_known.DELETION_COST: None},
    }


def test_the_label_of_a_long_pool_name_is_a_valid_value() -> None:
    written = pods.mark_patch(DrainMark(since_s=0), pool=f"{'a' * 62}-b")["metadata"]
    assert written["labels"] == {well_known.DRAINING: "a" * 62}


@pytest.mark.parametrize(
    ("name", "spec", "want"),
    [
        pytest.param("shop-1", {}, "shop-1", id="the hostname is the pod's name"),
        pytest.param("x" * 62 + "-" + "y", {}, "x" * 62, id="kubelet cuts it to 63"),
        pytest.param("shop-1", {"hostname": "worker"}, "worker", id="unless it has one"),
        pytest.param(
            "shop-1", {"hostNetwork": True, "nodeName": "node-7"}, "node-7", id="or is its node's"
        ),
    ],
)
def test_the_host_is_what_the_worker_calls_itself(
    name: str, spec: dict[str, Any], want: str
) -> None:
    assert instance(name=name, spec=spec).host == want


@pytest.mark.parametrize(
    ("owner", "want"), [(("StatefulSet", "s"), 12), (("ReplicaSet", "r"), None)]
)
def test_only_a_statefulsets_pod_has_an_ordinal(owner: tuple[str, str], want: int | None) -> None:
    assert instance(name="shop-12", owner=owner).ordinal == want


@pytest.mark.parametrize(
    ("owners", "kind", "want"),
    [
        ([("ReplicaSet", "a")] * 2, "Deployment", Removal.CHOSEN),
        ([("ReplicaSet", "a"), ("ReplicaSet", "b")], "Deployment", Removal.ANY),
        ([("ReplicaSet", "a")], "Rollout", Removal.CHOSEN),
        ([("StatefulSet", "a")], "StatefulSet", Removal.HIGHEST_ORDINAL),
        ([("CloneSet", "a")], "CloneSet", Removal.ANY),
        ([("", "")], "Thing", Removal.ANY),
        ([], "Deployment", Removal.CHOSEN),
        ([], "StatefulSet", Removal.HIGHEST_ORDINAL),
        ([], "Thing", Removal.ANY),
    ],
)
def test_who_owns_the_pods_decides_which_go_first(
    owners: list[tuple[str, str]], kind: str, want: Removal
) -> None:
    found = [pods.parse_pod(pod(owner=owner)) for owner in owners]
    assert pods.removal_of([each for each in found if each is not None], kind=kind) is want


def names_of(store: PodStore, selector: str, *, namespace: str = "shop") -> list[str]:
    found = store.matching(namespace, selectors.parse_selector(selector))
    return [each.instance.name for each in found]


def test_a_store_follows_what_happens_to_pods() -> None:
    store = PodStore()
    store.put("1", pod("b"))
    store.put("2", pod("a"))
    store.put("3", pod("c", labels={"app": "other"}))
    assert names_of(store, "app=shop") == ["a", "b"]
    store.put("3", pod("c"))
    store.put("1", pod("b", labels={"app": "other"}))
    assert names_of(store, "app=shop") == ["a", "c"]
    store.remove("2")
    store.put("3", pod("c", phase="Failed"))
    assert names_of(store, "app=shop") == []
    assert names_of(store, "app=other") == ["b"]


def test_a_store_keeps_namespaces_apart() -> None:
    store = PodStore()
    store.put("1", pod("a"))
    assert names_of(store, "app=shop", namespace="elsewhere") == []


def test_a_selector_without_equal_labels_is_served_too() -> None:
    store = PodStore()
    store.put("1", pod("a", labels={"tier": "x"}))
    store.put("2", pod("b", labels={}))
    assert names_of(store, "!tier") == ["b"]
    assert names_of(store, "tier in (x,y)") == ["a"]


def test_a_pod_has_started_when_its_last_container_has() -> None:
    """Its `startTime` comes before its image is pulled, and stays when a container restarts."""
    document = pod()
    document["status"]["containerStatuses"] = [
        {"state": {"running": {"startedAt": "2026-03-01T12:00:30Z"}}},
        {"state": {"running": {"startedAt": "2026-03-01T12:00:10Z"}}},
        {"state": {"waiting": {}}},
    ]
    read = pods.parse_pod(document)
    assert read is not None
    assert read.instance.started_at_s == 1772366430.0


def test_a_pod_tells_its_revision_and_its_grace_period() -> None:
    of_set = instance(labels={"controller-revision-hash": "w-5d"})
    of_deployment = instance(
        labels={"pod-template-hash": "7f9"}, spec={"terminationGracePeriodSeconds": 45}
    )
    assert (of_set.template, of_set.grace_s) == ("w-5d", None)
    assert (of_deployment.template, of_deployment.grace_s) == ("7f9", 45)
