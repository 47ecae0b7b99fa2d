"""The rules that the operator needs are written once, and nothing in them is more than needed."""

from pathlib import Path
from typing import Any

import yaml

RBAC = Path("k8s/rbac")


def rules(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((RBAC / name).read_text())["rules"]
    return found


def test_a_cluster_role_allows_what_the_role_allows() -> None:
    assert rules("cluster-role.yaml") == rules("role.yaml")


def test_no_rule_is_wider_than_its_purpose() -> None:
    allowed = {
        (resource, verb)
        for rule in rules("role.yaml")
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert allowed == {
        ("workerpools", "list"),
        ("workerpools", "watch"),
        ("workerpools/status", "patch"),
        ("deployments", "list"),
        ("deployments", "watch"),
        ("statefulsets", "list"),
        ("statefulsets", "watch"),
        ("deployments/scale", "patch"),
        ("statefulsets/scale", "patch"),
        ("pods", "list"),
        ("pods", "watch"),
        ("pods/status", "patch"),
        ("horizontalpodautoscalers", "list"),
        ("horizontalpodautoscalers", "watch"),
        ("events", "create"),
        ("leases", "create"),
        ("leases", "get"),
        ("leases", "patch"),
    }
