"""The `/scale` of a target, the patch that changes it, and the autoscalers that share it."""

from collections import defaultdict
from dataclasses import dataclass, replace

from app.operator.kubernetes import informer
from app.operator.kubernetes.apiserver import Document
from app.operator.kubernetes.informer import Uid
from app.operator.resources import selectors
from app.operator.resources.selectors import Selector


@dataclass(frozen=True, slots=True, order=True)
class TargetKey:
    """Names a target in the whole cluster, whatever version of its API a pool refers to."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def group_of(api_version: str) -> str:
    """The API group: `apps` of `apps/v1`, empty of `v1`."""
    return api_version.rpartition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The replicas of a target, and the selector of its pods."""

    replicas: int
    selector: Selector
    version: str = ""
    """The object's resourceVersion."""
    is_ending: bool = False
    first_ordinal: int = 0
    """Of a StatefulSet: the ordinal of its first pod (`spec.ordinals.start`)."""
    failure: str = ""
    """Why pods of it are not created: the message of its controller."""


def of_workload(document: Document) -> Scale:
    """The scale of a Deployment, StatefulSet or ReplicaSet, from its own fields."""
    spec = document["spec"]
    return Scale(
        replicas=spec.get("replicas", 1),
        selector=selectors.of_document(spec.get("selector") or {}),
        version=document["metadata"]["resourceVersion"],
        is_ending=bool(document["metadata"].get("deletionTimestamp")),
        first_ordinal=(spec.get("ordinals") or {}).get("start", 0),
        failure=_failure(document.get("status") or {}),
    )


def _failure(status: Document) -> str:
    """The `ReplicaFailure` of a Deployment or ReplicaSet; a StatefulSet has no such condition."""
    conditions = status.get("conditions") or ()
    return next(
        (
            each.get("message", "")
            for each in conditions
            if (each.get("type"), each.get("status")) == ("ReplicaFailure", "True")
        ),
        "",
    )


def of_scale(document: Document) -> Scale:
    """An `autoscaling/v1` Scale. Its JSON omits a zero.

    Raises `ValueError` where its selector cannot be read.
    """
    return Scale(
        replicas=document.get("spec", {}).get("replicas", 0),
        selector=selectors.parse_selector(document.get("status", {}).get("selector", "")),
        version=document.get("metadata", {}).get("resourceVersion", ""),
    )


def scale_patch(*, was: int, replicas: int) -> list[Document]:
    """A JSON patch (RFC 6902) that fails if the replicas are no longer `was`.

    A Scale with zero replicas has no such field in its JSON, only an empty `spec`.
    """
    test: Document = (
        {"op": "test", "path": "/spec/replicas", "value": was}
        if was
        else {"op": "test", "path": "/spec", "value": {}}
    )
    return [test, {"op": "add", "path": "/spec/replicas", "value": replicas}]


class ScaleStore:
    """The scales of one kind of workload, from an informer and from our own writes."""

    def __init__(self, *, group: str, kind: str) -> None:
        self.group = group
        self.kind = kind
        self._scales: dict[TargetKey, Scale] = {}
        self._keys: dict[Uid, TargetKey] = {}
        self._uids: dict[TargetKey, Uid] = {}

    def put(self, uid: Uid, document: Document) -> None:
        meta = document["metadata"]
        key = TargetKey(self.group, self.kind, meta["namespace"], meta["name"])
        self._keys[uid], self._uids[key] = key, uid
        self._keep(key, of_workload(document))

    def remove(self, uid: Uid) -> None:
        key = self._keys.pop(uid, None)
        if key is not None and self._uids.get(key) == uid:
            del self._uids[key], self._scales[key]

    def find(self, key: TargetKey) -> Scale | None:
        return self._scales.get(key)

    def written(self, key: TargetKey, scale: Scale) -> None:
        """Keep the response to our own write: the watch may be some milliseconds behind it."""
        known = self._scales.get(key)
        if known is not None:
            own = replace(scale, first_ordinal=known.first_ordinal, failure=known.failure)
            self._keep(key, own)

    def _keep(self, key: TargetKey, scale: Scale) -> None:
        known = self._scales.get(key)
        if known is None or not informer.is_older(scale.version, known.version):
            self._scales[key] = scale


class AutoscalerStore:
    """The HorizontalPodAutoscalers of each target, KEDA's included."""

    def __init__(self) -> None:
        self._targets: dict[Uid, TargetKey] = {}
        self._names: defaultdict[TargetKey, dict[Uid, str]] = defaultdict(dict)

    def put(self, uid: Uid, document: Document) -> None:
        self.remove(uid)
        meta, reference = document["metadata"], document["spec"]["scaleTargetRef"]
        key = TargetKey(
            group_of(reference.get("apiVersion", "")),
            reference["kind"],
            meta["namespace"],
            reference["name"],
        )
        self._targets[uid] = key
        self._names[key][uid] = meta["name"]

    def remove(self, uid: Uid) -> None:
        key = self._targets.pop(uid, None)
        if key is not None:
            del self._names[key][uid]
            if not self._names[key]:
                del self._names[key]

    def find(self, key: TargetKey) -> str | None:
        """The name of a HorizontalPodAutoscaler that scales this target."""
        return min(self._names[key].values()) if key in self._names else None
