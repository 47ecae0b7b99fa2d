"""Builds WorkerPools and what belongs to them, without I/O."""

from typing import Any

from tests.cluster.kubectl import Manifest

API_VERSION = "celeriac.dev/v1alpha1"


def build_secret(name: str, url: str) -> Manifest:
    """A Secret with a broker URL under the key that pools look at by default."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"url": url},
    }


def build_pool(
    name: str,
    *,
    workload: str | None = None,
    kind: str = "Deployment",
    secret: str = "broker",
    **spec: Any,
) -> Manifest:
    """A pool that looks each second and is in no hurry to hold on to anything."""
    defaults: Manifest = {
        "scaleTargetRef": {"kind": kind, "name": workload or name},
        "broker": {"secretKeyRef": {"name": secret}},
        "queues": [name],
        "concurrency": 1,
        "pollingIntervalSeconds": 1,
        "cooldownPeriodSeconds": 2,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkerPool",
        "metadata": {"name": name},
        "spec": defaults | spec,
    }


def build_operator(image: str, *, account: str, namespace: str) -> Manifest:
    """The operator in a pod of the restricted Pod Security Standard, with its shipped account."""
    labels = {"app": "operator"}
    container = {
        "name": "operator",
        "image": image,
        "command": ["celeriac", "operator", f"--namespace={namespace}"],
        "args": ["--liveness=http://0.0.0.0:8080/healthz"],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 2},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 2},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "resources": {"limits": {"memory": "300Mi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "operator"},
        "spec": {
            "replicas": 1,
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": account, "containers": [container]},
            },
        },
    }


def condition(pool: Manifest, kind: str) -> Manifest:
    """A condition of a pool; empty where it has none of that type."""
    conditions = pool.get("status", {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == kind), {})
