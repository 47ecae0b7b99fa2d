"""HorizontalPodAutoscalers, KEDA's included: a target that one of them scales is not ours."""

from collections import defaultdict

from app.operator.kubernetes.apiserver import Document
from app.operator.kubernetes.informer import Uid
from app.operator.resources.scale import TargetKey, group_of


class AutoscalerStore:
    """Which HorizontalPodAutoscalers scale a target."""

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
        """The name of one that scales this target."""
        return min(self._names[key].values()) if key in self._names else None
