"""kopf, set up so that it outlives a restarted API server and leaves no trace on an object."""

import itertools
import logging
from collections.abc import Iterator

import kopf

from app.operator.resources import annotations as names

REQUEST_TIMEOUT_S = 20.0
CONNECT_TIMEOUT_S = 5.0


class Backoffs:
    """Pauses between attempts, without end: an operator has nothing better to do than to wait.

    kopf gives up, and ends the process, after the last pause of a list.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1.0), itertools.repeat(2.0))


def _is_no_retry(record: logging.LogRecord) -> bool:
    """Our own client tells of an outage of the API server once; kopf would at each attempt."""
    is_kopf = record.name.partition(".")[0] == "kopf"
    return not (is_kopf and str(record.msg).startswith("Request attempt "))


def configure(settings: kopf.OperatorSettings) -> None:
    """Set what differs from kopf's own defaults."""
    # Its start-up and each login at "info" are of interest to whoever debugs kopf.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_no_retry)
    # Namespaces and CRDs are not ours to watch: a Role does not allow it.
    settings.scanning.disabled = True
    settings.peering.standalone = True
    # The loop writes Events of its own.
    settings.posting.enabled = False
    settings.persistence.finalizer = names.FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(
        prefix=names.KOPF_PREFIX
    )
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(
        prefix=names.KOPF_PREFIX
    )
    settings.networking.request_timeout = REQUEST_TIMEOUT_S
    settings.networking.connect_timeout = CONNECT_TIMEOUT_S
    settings.networking.error_backoffs = Backoffs()
    settings.watching.connect_timeout = CONNECT_TIMEOUT_S
    settings.queueing.idle_timeout = 1.0
