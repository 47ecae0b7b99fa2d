"""Builds the manifests of what tests run in the cluster, without I/O."""

from collections.abc import Mapping, Sequence

from tests.cluster.kubectl import Manifest

REDIS_PORT = 6379
_USER = 65532
# Without requests a pod gets next to nothing of a busy machine, and Redis seems to be away.
_REDIS_CPU = "200m"
_WORKER_CPU = "10m"


def build_worker(
    name: str,
    *,
    image: str,
    broker_url: str,
    log_url: str,
    kind: str = "Deployment",
    queues: Sequence[str] = ("default",),
    concurrency: int = 1,
    replicas: int = 1,
    grace_s: int = 30,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
) -> Manifest:
    """A Deployment or StatefulSet of workers of the test application.

    `environment` holds the application's own settings (`app/tasks.py`), `arguments` go to
    `celery worker`.
    """
    settings = {"CELERY_BROKER_URL": broker_url, "LOG_REDIS_URL": log_url, **(environment or {})}
    options = [f"--queues={','.join(queues)}", f"--concurrency={concurrency}", *arguments]
    container = {
        "name": "worker",
        "image": image,
        "command": ["celery", "--app=tasks", "worker", "--loglevel=INFO", *options],
        "env": [{"name": key, "value": value} for key, value in settings.items()],
        "resources": {"requests": {"cpu": _WORKER_CPU}},
        "securityContext": _restricted(),
    }
    spec = _replicated(
        name, replicas, {**_pod(container), "terminationGracePeriodSeconds": grace_s}
    )
    if kind == "StatefulSet":
        spec |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def build_redis(name: str, *, image: str, append_only: bool) -> list[Manifest]:
    """One Redis that keeps its data as long as its pod lives, and the Service before it."""
    container = {
        "name": "redis",
        "image": image,
        "command": ["serve", "--appendonly", "yes" if append_only else "no"],
        "ports": [{"containerPort": REDIS_PORT}],
        "resources": {"requests": {"cpu": _REDIS_CPU}},
        "readinessProbe": {
            "tcpSocket": {"port": REDIS_PORT},
            "periodSeconds": 1,
            # One probe that is late on a busy machine would take it from its Service.
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "securityContext": _restricted(),
    }
    # `serve` outlives its server on purpose, and so has to be killed.
    pod = {
        **_pod(container),
        "volumes": [{"name": "data", "emptyDir": {}}],
        "terminationGracePeriodSeconds": 0,
    }
    spec = _replicated(name, 1, pod) | {"strategy": {"type": "Recreate"}}
    service = {"selector": {"app": name}, "ports": [{"port": REDIS_PORT}]}
    metadata = {"name": name}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]


def build_script(name: str, *, image: str, script: str, port: int) -> list[Manifest]:
    """One Python script that serves a port, and the Service before it."""
    container = {
        "name": "script",
        "image": image,
        "command": ["python3", "-c", script],
        "ports": [{"containerPort": port}],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
        "securityContext": _restricted(),
    }
    pod = {**_pod(container), "terminationGracePeriodSeconds": 0}
    service = {"selector": {"app": name}, "ports": [{"port": port}]}
    metadata = {"name": name}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": _replicated(name, 1, pod),
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]


def _replicated(name: str, replicas: int, pod: Manifest) -> Manifest:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}


def _pod(container: Manifest) -> Manifest:
    """A pod that the restricted Pod Security Standard lets in."""
    user = {"runAsNonRoot": True, "runAsUser": _USER, "fsGroup": _USER}
    security = {**user, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "containers": [container],
        "securityContext": security,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
    }


def _restricted() -> Manifest:
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
