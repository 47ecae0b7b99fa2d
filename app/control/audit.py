"""The log as an audit trail: one line for each thing that happened to a pool."""

import logging
from collections.abc import Iterable, Sequence

from app.control.pool import PoolKey
from app.control.reporting import Scaling
from app.control.status import EventType, PoolEvent

logger = logging.getLogger("celeriac.pools")
"""One name for all of it, so that a log can be filtered for the trail."""

_SCALED = {"ScaledUp", "ScaledDown"}
"""Logged by `log_scaling` with their numbers."""

_LEVELS = {EventType.NORMAL: logging.INFO, EventType.WARNING: logging.WARNING}


def log_scaling(pool: PoolKey, scaling: Scaling | None, *, why: Sequence[str]) -> None:
    """Log a change of size. Unlike Events, none is left out when several come fast."""
    if scaling is not None:
        fields = {"pool": str(pool), "from": scaling.was, "to": scaling.now, "why": "; ".join(why)}
        logger.info("pool scaled", extra=fields)


def log_events(pool: PoolKey, events: Iterable[PoolEvent]) -> None:
    """Log what else a pool tells: drains, refusals, outages of its broker, recoveries."""
    for event in events:
        if event.reason not in _SCALED:
            fields = {"pool": str(pool), "reason": event.reason, "detail": event.message}
            logger.log(_LEVELS[event.type], "pool event", extra=fields)
