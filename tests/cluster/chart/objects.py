"""All that a namespace holds, by kind and name."""

from tests.cluster.kubectl import Kubectl

# What Kubernetes makes by itself, and what only tells of other objects.
_OTHERS = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
_PASSING = ("events", "endpoints", "endpointslices", "leases")


def found(kubectl: Kubectl) -> set[str]:
    """Such as `persistentvolumeclaim/celeriac-redis`, of every kind that there is."""
    kinds = kubectl.run("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
    wanted = [kind for kind in kinds if kind.partition(".")[0] not in _PASSING]
    return set(kubectl.run("get", ",".join(wanted), "--output=name").split()) - _OTHERS
