"""`k8s/base`: what the chart makes of its defaults, for kustomize, by component and pool."""

import subprocess
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.tools import kubernetes_clients

NAMESPACE = "celeriac"

_ARGUMENTS = (
    "--set=redis.existingSecret=celeriac-redis",
    "--set=postgresql.existingSecret=celeriac-postgresql",
    "--set=api.existingSecret=celeriac-api",
    "--set=tests.enabled=false",
)
"""Passwords are not for files: who applies the base makes these Secrets first. Hooks are Helm's."""

_OF_HELM = frozenset(
    {"helm.sh/chart", "helm.sh/resource-policy", "app.kubernetes.io/managed-by"},
)

_HEAD = (
    "# Written by `make generate` from charts/celeriac: change the chart, or patch in an overlay.\n"
)

Manifest = dict[str, Any]


def files(chart: Path) -> Mapping[str, str]:
    """The files of the base by name."""
    by_file: dict[str, list[Manifest]] = defaultdict(list)
    for manifest in _rendered(chart):
        by_file[_file_of(manifest)].append(_without_helm(manifest))
    texts = {name: _text(*manifests) for name, manifests in by_file.items()}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(texts),
    }
    return {**texts, "kustomization.yaml": _text(kustomization)}


def _file_of(manifest: Manifest) -> str:
    labels = manifest["metadata"]["labels"]
    parts = (labels["app.kubernetes.io/component"], labels.get("celeriac.dev/pool"))
    return "-".join(part for part in parts if part) + ".yaml"


def _rendered(chart: Path) -> list[Manifest]:
    helm = str(kubernetes_clients.path("helm"))
    command = [helm, "template", "celeriac", str(chart), "--no-hooks", "--namespace", NAMESPACE]
    command += _ARGUMENTS
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def _without_helm(manifest: Manifest) -> Manifest:
    metadata = dict(manifest["metadata"])
    for key in ("labels", "annotations"):
        kept = {k: v for k, v in metadata.pop(key, {}).items() if k not in _OF_HELM}
        if kept:
            metadata[key] = kept
    return {**manifest, "metadata": metadata}


def _text(*manifests: Manifest) -> str:
    return _HEAD + yaml.safe_dump_all(manifests, sort_keys=False, width=100)
