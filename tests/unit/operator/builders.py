"""Objects as the API server sends them, with what a test cares about."""

from typing import Any


def pod(
    name: str = "shop-1",
    *,
    phase: str = "Running",
    ready: bool = True,
    running: bool = True,
    owner: tuple[str, str] = ("ReplicaSet", "rs"),
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    spec: dict[str, Any] | None = None,
    **meta: Any,
) -> dict[str, Any]:
    kind, uid = owner
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "labels": labels if labels is not None else {"app": "shop"},
            "annotations": annotations or {},
            "ownerReferences": [{"kind": kind, "uid": uid, "controller": True}] if kind else [],
            **meta,
        },
        "spec": spec or {},
        "status": {
            "phase": phase,
            "startTime": "2026-03-01T12:00:00Z",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"state": {"running": {}} if running else {"waiting": {}}}],
        },
    }
