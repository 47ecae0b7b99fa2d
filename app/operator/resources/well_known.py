"""Every label, annotation and name that the operator writes on Kubernetes objects."""

from app.control.pool import spec

FIELD_MANAGER = "celeriac-operator"
REPORTER = f"{spec.GROUP}/operator"
"""`reportingController` of our Events."""

DRAINING = f"{spec.GROUP}/draining"
"""Label of a draining pod, which takes no new tasks; its value is the name of the pool."""
DRAINING_SINCE = f"{spec.GROUP}/draining-since"
"""Annotation: when its consumers were first cancelled (RFC 3339)."""
CANCELLED_CONSUMERS = f"{spec.GROUP}/cancelled-consumers"
"""Annotation: the queues that each worker of the pod was last told to stop consuming, as JSON. It
stays when the drain is undone: a worker that reconnects may drop the resumed consumers again."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
FIRST_TO_GO = "-1000000"
"""The cost of a drained pod. Pods without the annotation cost 0."""
