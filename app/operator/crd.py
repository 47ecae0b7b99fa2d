"""The CustomResourceDefinition, generated from the pydantic models.

This module adds what a JSON schema cannot express: rules between fields, subresources and printer
columns. `celeriac pools crd` prints the definition. `k8s/crd/workerpools.celeriac.dev.yaml` is its
output, and a test fails when it is stale.
"""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from app.control.pool import spec
from app.operator.status.pool_status import WorkerPoolStatus

Schema = dict[str, Any]  # OpenAPI v3 schema, as the API server's structural schemas have it
Path = tuple[str, ...]

ROOT_DESCRIPTION = (
    "WorkerPool scales the Celery workers of some queues to the size that the queues need."
)

RULES: Mapping[Path, tuple[tuple[str, str], ...]] = {
    (): (
        ("self.minReplicas <= self.maxReplicas", "minReplicas must not be above maxReplicas"),
        (
            "!has(self.schedules) || self.schedules.all(s, !has(s.minReplicas) || s.minReplicas <= "
            "(has(s.maxReplicas) ? s.maxReplicas : self.maxReplicas))",
            "a schedule's minReplicas must not be above its maxReplicas (the pool's, if it has "
            "none of its own)",
        ),
    ),
    ("target",): (
        (
            "has(self.queueWaitSeconds) != has(self.backlogPerReplica)",
            "set exactly one of queueWaitSeconds and backlogPerReplica",
        ),
    ),
    ("schedules", "items"): (
        (
            "has(self.minReplicas) || has(self.maxReplicas)",
            "a schedule sets minReplicas, maxReplicas or both",
        ),
    ),
    ("fallback",): (
        (
            "self.behavior == 'currentReplicas' || has(self.replicas)",
            "this fallback.behavior needs fallback.replicas",
        ),
    ),
}
"""CEL rules by the path of their field, each with its message for the user."""

LISTS: Mapping[Path, Schema] = {
    ("queues",): {"x-kubernetes-list-type": "set"},
    ("schedules",): {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    ("behavior", "scaleUp", "policies"): {"x-kubernetes-list-type": "atomic"},
    ("behavior", "scaleDown", "policies"): {"x-kubernetes-list-type": "atomic"},
    ("status", "queues"): {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    ("status", "explanation"): {"x-kubernetes-list-type": "atomic"},
    ("status", "conditions"): {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    },
}
"""How server-side apply merges each list. A set or a map also rejects duplicates."""

_READY = '.status.conditions[?(@.type=="Ready")]'
COLUMNS: tuple[tuple[str, str, str, int, str], ...] = (
    ("State", "string", ".status.columns.state", 0, "What determines the size"),
    ("Replicas", "integer", ".status.replicas", 0, "Replicas of the target"),
    ("Desired", "integer", ".status.desiredReplicas", 0, "Replicas that the pool needs"),
    ("Min", "integer", ".status.minReplicas", 0, "Minimum in effect"),
    ("Max", "integer", ".status.maxReplicas", 0, "Maximum in effect"),
    ("Queues", "string", ".status.columns.queues", 0, "Queues of the pool"),
    ("Backlog", "string", ".status.columns.backlog", 0, "Waiting messages, +held by workers"),
    ("Active", "integer", ".status.activeTasks", 0, "Running tasks"),
    ("Wait", "string", ".status.columns.wait", 0, "Age of the oldest waiting message"),
    (
        "Ready",
        "string",
        f"{_READY}.status",
        0,
        "Whether the spec is in effect",
    ),
    ("Reason", "string", f"{_READY}.reason", 1, "Reason of the Ready condition"),
    ("Mode", "string", ".spec.mode", 1, "Auto, DryRun or Off"),
    ("Target", "string", ".spec.scaleTargetRef.name", 1, "Workload that is scaled"),
    ("Age", "date", ".metadata.creationTimestamp", 0, ""),
)
"""Name, type, path, priority (1 shows with `-o wide` only), description."""


def definition() -> Schema:
    """The CustomResourceDefinition of WorkerPool."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{spec.PLURAL}.{spec.GROUP}"},
        "spec": {
            "group": spec.GROUP,
            "names": {
                "kind": spec.KIND,
                "listKind": f"{spec.KIND}List",
                "plural": spec.PLURAL,
                "singular": spec.KIND.lower(),
                "shortNames": [spec.SHORT_NAME],
                "categories": ["celeriac"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def manifest() -> str:
    """The definition as YAML."""
    head = "# Made by `celeriac pools crd` from the models of app/control/pool/spec.py and\n"
    head += "# app/operator/status/pool_status.py. Change those, then: make generate\n"
    return head + yaml.safe_dump(definition(), sort_keys=False, width=96, allow_unicode=True)


def _version() -> Schema:
    return {
        "name": spec.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root_schema()},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
    }


def _column(name: str, kind: str, path: str, priority: int, description: str) -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path}
    if priority:
        column["priority"] = priority
    if description:
        column["description"] = description
    return column


def _root_schema() -> Schema:
    return {
        "type": "object",
        "description": ROOT_DESCRIPTION,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(spec.WorkerPoolSpec, at=()),
            "status": structural(WorkerPoolStatus, at=("status",)),
        },
    }


def structural(model: type[BaseModel], *, at: Path) -> Schema:
    """A model's JSON schema as a structural schema: no references, no unions with null."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _converted(schema, definitions=schema.get("$defs", {}), at=at)


_KEPT = (
    "type",
    "format",
    "description",
    "default",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "required",
)


def _converted(node: Schema, *, definitions: Mapping[str, Schema], at: Path) -> Schema:
    node = _resolved(node, definitions)
    schema = {key: node[key] for key in _KEPT if node.get(key) is not None}
    if not schema.get("default", True) and not isinstance(schema["default"], (bool, int)):
        # The API server would store it, and `kubectl describe` should only show what the owner set.
        del schema["default"]
    if "exclusiveMinimum" in node:
        schema |= {"minimum": node["exclusiveMinimum"], "exclusiveMinimum": True}
    if node["type"] == "array":
        schema["items"] = _converted(node["items"], definitions=definitions, at=(*at, "items"))
        schema |= LISTS[at]
    if node["type"] == "object":
        schema["properties"] = {
            name: _converted(child, definitions=definitions, at=(*at, name))
            for name, child in node["properties"].items()
        }
    if at in RULES:
        schema["x-kubernetes-validations"] = [
            {"rule": rule, "message": message} for rule, message in RULES[at]
        ]
    return schema


def _resolved(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Follow `$ref`, and use the branch of a union that is not null."""
    rest = dict(node)
    branches = [branch for branch in rest.pop("anyOf", ()) if branch.get("type") != "null"]
    reference = rest.pop("$ref", None)
    if reference is not None:
        branches.append(definitions[reference.rpartition("/")[2]])
    for branch in branches:
        rest = _resolved(branch, definitions) | rest
    return rest
