"""Pods as replicas: parsed, indexed by label, and found by the selector of a target."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from app.broker.model import NodeName
from app.control.ports import CancelledConsumers, DrainMark, Instance, InstanceName
from app.operator.kubernetes.apiserver import Document
from app.operator.kubernetes.informer import Uid
from app.operator.resources import well_known
from app.operator.resources.selectors import Selector
from app.scaling.replica_state import Removal

HOSTNAME_LIMIT = 63
"""kubelet cuts a pod's hostname to this (RFC 1123 label)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What is kept of a pod."""

    namespace: str
    uid: Uid
    labels: Mapping[str, str]
    owner_kind: str
    """Kind of its controller; empty where it has none."""
    owner_uid: str
    instance: Instance
    is_first_to_go: bool = False
    """It has our deletion cost: a ReplicaSet that shrinks removes it before its ready peers."""


def parse_pod(document: Document) -> Pod | None:
    """A pod that is or may become a replica; `None` for one that has ended for good."""
    meta, spec = document["metadata"], document.get("spec") or {}
    status = document.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return None
    annotations = meta.get("annotations") or {}
    owner = _controller(meta)
    started_at = _started_at_s(status)
    labels = meta.get("labels") or {}
    return Pod(
        namespace=sys.intern(meta["namespace"]),
        uid=meta.get("uid", ""),
        labels={sys.intern(key): sys.intern(value) for key, value in labels.items()},
        owner_kind=owner.get("kind", ""),
        owner_uid=owner.get("uid", ""),
        is_first_to_go=annotations.get(well_known.DELETION_COST) == well_known.FIRST_TO_GO,
        instance=Instance(
            name=InstanceName(meta["name"]),
            is_ready=_is_ready(status),
            is_ending=bool(meta.get("deletionTimestamp")),
            is_started=any("running" in (each.get("state") or {}) for each in _containers(status)),
            started_at_s=started_at,
            ordinal=_ordinal(meta["name"], owner_kind=owner.get("kind", "")),
            mark=_mark(annotations),
            cancelled=_cancelled(annotations),
            host=_host(meta["name"], spec),
            grace_s=spec.get("terminationGracePeriodSeconds"),
            template=_template(labels),
        ),
    )


def _controller(meta: Document) -> Document:
    owners = meta.get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def _is_ready(status: Mapping[str, object]) -> bool:
    conditions = status.get("conditions")
    return isinstance(conditions, list) and any(
        each.get("type") == "Ready" and each.get("status") == "True" for each in conditions
    )


def _host(name: str, spec: Mapping[str, object]) -> str:
    """The result of `gethostname()` inside the pod."""
    if spec.get("hostNetwork"):
        return str(spec.get("nodeName") or "")
    return str(spec.get("hostname") or name[:HOSTNAME_LIMIT].rstrip("-."))


def _started_at_s(status: Document) -> float | None:
    """The start of the newest container: a pod may wait for its image, and containers restart."""
    running = ((each.get("state") or {}).get("running") for each in _containers(status))
    starts = [_moment(each.get("startedAt")) for each in running if each]
    known = [at_s for at_s in starts if at_s is not None]
    return max(known) if known else _moment(status.get("startTime"))


def _containers(status: Document) -> Sequence[Document]:
    return status.get("containerStatuses") or ()


def _template(labels: Mapping[str, str]) -> str:
    """The revision of its Deployment or StatefulSet that the pod was created from."""
    return labels.get("pod-template-hash") or labels.get("controller-revision-hash") or ""


def _ordinal(name: str, *, owner_kind: str) -> int | None:
    digits = name.rpartition("-")[2]
    return int(digits) if owner_kind == "StatefulSet" and digits.isdecimal() else None


def _mark(annotations: Mapping[str, str]) -> DrainMark | None:
    since_s = _moment(annotations.get(well_known.DRAINING_SINCE))
    if since_s is None:
        return None
    return DrainMark(since_s=since_s, cancelled=_cancelled(annotations))


_CANCELLED = TypeAdapter(dict[NodeName, CancelledConsumers])


def _cancelled(annotations: Mapping[str, str]) -> Mapping[NodeName, CancelledConsumers]:
    """An unreadable record is ignored: no worker is given a queue that it may not know."""
    try:
        return _CANCELLED.validate_json(annotations.get(well_known.CANCELLED_CONSUMERS, "{}"))
    except ValidationError:
        return {}


def _cancelled_text(cancelled: Mapping[NodeName, CancelledConsumers]) -> str | None:
    """The value of the annotation; equal records give equal texts."""
    if not cancelled:
        return None
    record = {
        node: {"queues": sorted(one.queues), "at_s": one.at_s} for node, one in cancelled.items()
    }
    return json.dumps(record, sort_keys=True)


def mark_patch(mark: DrainMark | None, *, pool: str) -> Document:
    """A merge patch of a pod (RFC 7386) that sets or removes our mark.

    The cancelled consumers stay recorded when the mark is removed.
    """
    annotations: dict[str, str | None]
    if mark is None:
        annotations = {well_known.DRAINING_SINCE: None, well_known.DELETION_COST: None}
    else:
        since = datetime.fromtimestamp(mark.since_s, tz=UTC)
        annotations = {
            well_known.DRAINING_SINCE: since.isoformat(timespec="milliseconds"),
            well_known.CANCELLED_CONSUMERS: _cancelled_text(mark.cancelled),
        }
    label = pool[:63].rstrip("-.") if mark is not None else None
    return {"metadata": {"labels": {well_known.DRAINING: label}, "annotations": annotations}}


def shows(pod: Document, patch: Document) -> bool:
    """Whether the pod has the labels and annotations of a merge patch."""
    return all(
        (pod["metadata"].get(field) or {}).get(key) == value
        for field, changes in patch["metadata"].items()
        for key, value in changes.items()
    )


def _moment(text: object) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def removal_of(pods: Iterable[Pod], *, kind: str) -> Removal:
    """Which pods a target removes first, by their owner (by the target's kind without pods).

    During a rollout a Deployment shrinks two ReplicaSets in proportion, so the order is unknown.
    """
    owners = {(pod.owner_kind, pod.owner_uid) for pod in pods if not pod.instance.is_ending}
    kinds = {owner_kind for owner_kind, _ in owners} or {_OWNER_OF_KIND.get(kind, kind)}
    if kinds == {"StatefulSet"}:
        return Removal.HIGHEST_ORDINAL
    if kinds == {"ReplicaSet"} and len(owners) <= 1:
        return Removal.CHOSEN
    return Removal.ANY


_OWNER_OF_KIND = {"Deployment": "ReplicaSet"}

_Pair = tuple[str, str, str]  # namespace, label, value


class PodStore:
    """All pods of the served namespaces, found by label in constant time."""

    def __init__(self) -> None:
        self._pods: dict[Uid, Pod] = {}
        self._by_pair: dict[_Pair, dict[Uid, Pod]] = {}
        self._by_namespace: defaultdict[str, dict[Uid, Pod]] = defaultdict(dict)
        self._changed = asyncio.Event()

    def put(self, uid: Uid, document: Document) -> None:
        self.remove(uid)
        pod = parse_pod(document)
        if pod is None:
            return
        self._pods[uid] = pod
        self._changed.set()
        self._by_namespace[pod.namespace][uid] = pod
        for pair in self._known_pairs(pod):
            self._by_pair[pair][uid] = pod

    def remove(self, uid: Uid) -> None:
        pod = self._pods.pop(uid, None)
        if pod is None:
            return
        self._changed.set()
        del self._by_namespace[pod.namespace][uid]
        for pair in self._known_pairs(pod):
            del self._by_pair[pair][uid]

    def matching(self, namespace: str, selector: Selector) -> tuple[Pod, ...]:
        """The pods that match a selector, sorted by name."""
        candidates = [self._with_pair((namespace, *pair)) for pair in selector.pairs]
        smallest = min(candidates, key=len, default=self._by_namespace.get(namespace, {}))
        found = (pod for pod in smallest.values() if selector.matches(pod.labels))
        return tuple(sorted(found, key=lambda pod: pod.instance.name))

    async def cost_seen(self, uid: Uid, *, is_first_to_go: bool) -> None:
        """Return when the cache shows the pod with our deletion cost (or without it), or no pod."""
        while (pod := self._pods.get(uid)) and pod.is_first_to_go != is_first_to_go:
            self._changed.clear()
            await self._changed.wait()

    def _known_pairs(self, pod: Pod) -> list[_Pair]:
        pairs = ((pod.namespace, key, value) for key, value in pod.labels.items())
        return [pair for pair in pairs if pair in self._by_pair]

    def _with_pair(self, pair: _Pair) -> Mapping[Uid, Pod]:
        """The pods with a label; indexed from its first use on."""
        if pair not in self._by_pair:
            namespace, key, value = pair
            self._by_pair[pair] = {
                uid: pod
                for uid, pod in self._by_namespace.get(namespace, {}).items()
                if pod.labels.get(key) == value
            }
        return self._by_pair[pair]
