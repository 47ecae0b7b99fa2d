"""The WorkerPool kind behaves as a Kubernetes person expects, and refuses what cannot work."""

import json
from typing import Any

import pytest
import yaml

from app.control.pool import worker_pool as pools
from app.control.pool.problems import PoolProblem
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.pools import manifests

WINDOW = {"name": "office", "start": "0 8 * * 1-5", "end": "0 18 * * 1-5"}

REFUSED: dict[str, dict[str, Any]] = {
    "no queue": {"queues": []},
    "a queue twice": {"queues": ["a", "a"]},
    "an empty queue name": {"queues": [""]},
    "no target": {"scaleTargetRef": None},
    "a target without a name": {"scaleTargetRef": {"kind": "Deployment", "name": ""}},
    "a floor above the ceiling": {"minReplicas": 5, "maxReplicas": 4},
    "a floor below zero": {"minReplicas": -1},
    "more replicas than 32 bits count": {
        "minReplicas": 3_000_000_000,
        "maxReplicas": 4_000_000_000,
    },
    "a fixed size of more than 32 bits": {"replicas": 3_000_000_000},
    "a ceiling of zero": {"maxReplicas": 0},
    "no slot": {"concurrency": 0},
    "an unknown mode": {"mode": "Sometimes"},
    "a mode that YAML read as false": {"mode": False},
    "two aims": {"target": {"queueWaitSeconds": 1, "backlogPerReplica": 1}},
    "no aim": {"target": {}},
    "an aim of zero": {"target": {"queueWaitSeconds": 0}},
    "a window twice": {"schedules": [{**WINDOW, "minReplicas": 1}] * 2},
    "a window that sets nothing": {"schedules": [WINDOW]},
    "a window above the ceiling": {"schedules": [{**WINDOW, "minReplicas": 11}]},
    "a window upside down": {"schedules": [{**WINDOW, "minReplicas": 3, "maxReplicas": 2}]},
    "a fallback without replicas": {"fallback": {"behavior": "static"}},
    "an unknown fallback": {"fallback": {"behavior": "panic"}},
    "a drain without time": {"drain": {"timeoutSeconds": 0}},
    "a policy without a period": {
        "behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 0}]}}
    },
    "a tolerance above one": {"behavior": {"scaleUp": {"tolerance": 1.5}}},
    "no polling": {"pollingIntervalSeconds": 0},
}

ACCEPTED: dict[str, dict[str, Any]] = {
    "only what is needed": {},
    "a backlog as the aim": {"target": {"backlogPerReplica": 5}},
    "a window below its own ceiling": {
        "schedules": [{**WINDOW, "minReplicas": 30, "maxReplicas": 40}]
    },
    "a fallback that holds": {"fallback": {"behavior": "currentReplicas"}},
    "a fallback with replicas": {"fallback": {"behavior": "static", "replicas": 2}},
    "any kind as the target": {
        "scaleTargetRef": {"apiVersion": "x.dev/v1", "kind": "Rollout", "name": "z"}
    },
}


def pool(spec: dict[str, Any]) -> dict[str, Any]:
    minimal = {"scaleTargetRef": {"name": "worker"}, "queues": ["documents"]}
    merged = {key: value for key, value in (minimal | spec).items() if value is not None}
    return {
        "apiVersion": manifests.API_VERSION,
        "kind": "WorkerPool",
        "metadata": {"name": "documents"},
        "spec": merged,
    }


@pytest.mark.parametrize("spec", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_refused_by_the_server_and_by_the_model(
    module_kubectl: Kubectl, spec: dict[str, Any]
) -> None:
    manifest = pool(spec)
    with pytest.raises(KubectlError, match="is invalid"):
        module_kubectl.run(
            *("create", "--dry-run=server", "--filename=-"), stdin=json.dumps(manifest)
        )
    with pytest.raises(PoolProblem, match="spec"):
        pools.parse_spec(manifest["spec"])


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_works_is_accepted_by_both_with_the_same_defaults(
    module_kubectl: Kubectl, spec: dict[str, Any]
) -> None:
    manifest = pool(spec)
    options = ("--dry-run=server", "--filename=-", "--output=yaml")
    stored = yaml.safe_load(module_kubectl.run("create", *options, stdin=json.dumps(manifest)))
    assert pools.parse_spec(stored["spec"]) == pools.parse_spec(manifest["spec"])


def test_explain_describes_the_kind_and_its_fields(module_kubectl: Kubectl) -> None:
    told = module_kubectl.run("explain", "workerpool.spec")
    assert "scaleTargetRef" in told
    assert "Never fewer replicas than this." in told
    told = module_kubectl.run("explain", "workerpool.spec.schedules.timezone")
    assert "IANA time zone" in told


def test_scale_pins_the_size_and_removing_it_lets_go(kubectl: Kubectl) -> None:
    kubectl.apply(pool({}))
    kubectl.scale("wp/documents", 3)
    assert kubectl.get("wp/documents")["spec"]["replicas"] == 3
    kubectl.patch("wp/documents", {"spec": {"replicas": None}})
    assert "replicas" not in kubectl.get("wp/documents")["spec"]
    kubectl.scale("wp/documents", 0)
    assert kubectl.get("wp/documents")["spec"]["replicas"] == 0


def test_applying_again_changes_nothing(kubectl: Kubectl) -> None:
    manifest = pool({"schedules": [{**WINDOW, "minReplicas": 1}]})
    kubectl.apply(manifest)
    first = kubectl.get("wp/documents")["metadata"]
    kubectl.apply(manifest)
    second = kubectl.get("wp/documents")["metadata"]
    want = (first["resourceVersion"], 1)
    assert (second["resourceVersion"], second["generation"]) == want


def test_a_pin_survives_a_manifest_that_does_not_speak_of_it(kubectl: Kubectl) -> None:
    kubectl.apply(pool({}))
    kubectl.scale("wp/documents", 3)
    kubectl.apply(pool({"maxReplicas": 5}))
    spec = kubectl.get("wp/documents")["spec"]
    assert (spec["replicas"], spec["maxReplicas"]) == (3, 5)


def test_a_pool_is_stored_without_empty_fields(kubectl: Kubectl) -> None:
    """Issue 9: `kubectl describe` showed a keyPrefix and policies that nobody had set."""
    kubectl.apply(
        pool(
            {
                "broker": {"secretKeyRef": {"name": "broker"}},
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}},
            }
        )
    )
    spec = kubectl.get("wp/documents")["spec"]
    assert spec["broker"] == {"secretKeyRef": {"key": "url", "name": "broker"}}
    assert spec["behavior"]["scaleDown"] == {"selectPolicy": "Max", "stabilizationWindowSeconds": 5}
    assert [name for name, value in spec.items() if value in ("", [], {})] == []


def test_the_listing_has_the_columns_that_tell_the_state(kubectl: Kubectl) -> None:
    kubectl.apply(pool({}))
    header = kubectl.run("get", "wp").splitlines()[0].split()
    want = "NAME STATE REPLICAS DESIRED MIN MAX QUEUES BACKLOG ACTIVE WAIT READY AGE"
    assert header == want.split()
    assert "documents" in kubectl.run("get", "celeriac")
