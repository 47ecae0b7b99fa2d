"""Volumes for a release, where a cluster has nobody who makes them: folders of the node.

They are what a provisioner would make: empty, root's, and given to a pod's group by the kubelet.
"""

import functools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import waiting
from tests.cluster.boot.layout import NODE
from tests.cluster.kubectl import Kubectl, Manifest


@contextmanager
def prepared(kubectl: Kubectl, folder: Path, *, claims: Sequence[str]) -> Iterator[None]:
    """A volume for each claim of the namespace, until the block ends: then all claims are gone."""
    names = {claim: f"{kubectl.namespace}-{claim}" for claim in claims}
    for claim, name in names.items():
        (folder / name).mkdir(parents=True)
        kubectl.apply(build(name, folder / name, claim=claim, namespace=kubectl.namespace))
    yield
    kubectl.delete_all("deployments,statefulsets,pods")
    kubectl.run("delete", "persistentvolumeclaims", "--all", "--timeout=60s", timeout_s=70)
    for name in names.values():
        kubectl.run("delete", f"persistentvolume/{name}", "--timeout=60s", timeout_s=70)
        # Servers that were killed a moment ago may still write.
        path = folder / name
        waiting.eventually(functools.partial(_is_removed, path), why=f"{path} is removed")


def build(name: str, path: Path, *, claim: str, namespace: str) -> Manifest:
    """A volume that only this claim can have, and that stays when the claim goes."""
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": namespace, "name": claim},
            "local": {"path": str(path)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def _is_removed(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()
