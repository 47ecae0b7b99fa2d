"""Every label, annotation and field manager that the operator writes on Kubernetes objects."""

from app.control.pool import spec

FIELD_MANAGER = "celeriac-operator"
REPORTER = f"{spec.GROUP}/operator"
"""`reportingController` of our Events."""

DRAINING = f"{spec.GROUP}/draining"
"""Label of a pod that finishes its tasks and takes no new ones; its value is the pool's name."""
DRAINING_SINCE = f"{spec.GROUP}/draining-since"
"""Annotation: when its consumers were first asked to stop (RFC 3339)."""
CANCELLED_CONSUMERS = f"{spec.GROUP}/cancelled-consumers"
"""Annotation: the queues that each worker of the pod was last told to stop consuming, as JSON. It
stays when the pod is woken: a worker that loses its connection may forget them again."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
FIRST_TO_GO = "-1000000"
"""The cost of a drained pod. Pods without the annotation cost 0."""

KOPF_PREFIX = f"operator.{spec.GROUP}"
"""In place of kopf's own prefix, should it ever write an annotation."""
FINALIZER = f"{spec.GROUP}/operator"
"""In place of kopf's own; none is ever set, since nothing of ours blocks a deletion."""
