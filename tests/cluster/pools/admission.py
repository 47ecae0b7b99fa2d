"""Admission policies that refuse sizes, in the namespace of a test alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests import waiting
from tests.cluster.kubectl import KubectlError
from tests.cluster.pools.conftest import PoolNamespace

WORDS = "no more than 4 replicas in the shop"


@contextmanager
def policy(site: PoolNamespace, target: str, *, at_most: int) -> Iterator[None]:
    """A ValidatingAdmissionPolicy on the scale of this namespace's Deployments, in force.

    The API server takes a second to compile it: the Deployment `target` shows when it has.
    """
    name = f"size-{site.kubectl.namespace}"
    own = {"kubernetes.io/metadata.name": site.kubectl.namespace}
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["deployments/scale"],
    }
    site.kubectl.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": own},
                    "resourceRules": [rule],
                },
                "validations": [
                    {"expression": f"object.spec.replicas <= {at_most}", "message": WORDS}
                ],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    )
    try:
        waiting.eventually(
            lambda: _refuses(site, target, at_most + 1), within_s=60, why="the policy is in force"
        )
        yield
    finally:
        site.kubectl.delete(f"validatingadmissionpolicybinding/{name}")
        site.kubectl.delete(f"validatingadmissionpolicy/{name}")


def _refuses(site: PoolNamespace, name: str, replicas: int) -> bool:
    patch = f'[{{"op": "add", "path": "/spec/replicas", "value": {replicas}}}]'
    words = ("--subresource=scale", "--type=json", f"--patch={patch}", "--dry-run=server")
    try:
        site.kubectl.run("patch", f"deployment/{name}", *words)
    except KubectlError as error:  # what kubectl says is the answer
        return WORDS in str(error)
    return False
