"""Kubernetes' own schemas of its objects, from a package: nothing is fetched."""

import functools
from collections.abc import Mapping
from typing import Any

import jsonschema
import referencing
from kubernetes_validate import utils

from tests.chart.rendering import Manifest

OLDEST, NEWEST = "1.28", "1.36"
"""The Kubernetes versions that the chart is for: `kubeVersion` of Chart.yaml and the latest one."""

_FOREIGN_GROUPS = (
    *("celeriac.dev/", "keda.sh/", "gateway.networking.k8s.io/", "monitoring.coreos.com/"),
)


def is_kubernetes_own(manifest: Manifest) -> bool:
    return not manifest["apiVersion"].startswith(_FOREIGN_GROUPS)


def faults(manifest: Manifest, *, version: str) -> list[str]:
    """What the API server of that version would refuse. Unknown fields count."""
    validator = _validator(manifest["kind"], manifest["apiVersion"], version)
    return [
        f"{manifest['kind']} {manifest['metadata']['name']}: {error.json_path}: {error.message}"
        for error in validator.iter_errors(manifest)
    ]


@functools.cache
def _validator(kind: str, api_version: str, version: str) -> Any:  # Any: jsonschema is untyped
    group, _, group_version = api_version.rpartition("/")
    short = "-".join(part for part in (group.partition(".")[0], group_version) if part)
    schema = _schema(f"{kind.lower()}-{short}.json", version)
    resource = referencing.Resource.from_contents(schema)
    registry = resource @ _definitions(version)
    return jsonschema.Draft202012Validator(schema, registry=registry)


@functools.cache
def _definitions(version: str) -> "referencing.Registry[Any]":
    resource = referencing.Resource.from_contents(_schema("_definitions.json", version))
    return resource @ referencing.Registry()


def _schema(name: str, version: str) -> Mapping[str, Any]:
    folder = f"kubernetes-json-schema/v{version}.0-local-strict"
    schema: Mapping[str, Any] = utils.schema_contents(f"{folder}/{name}", version)
    return schema
