"""The log as an audit trail: one line for each thing that happened to a pool."""

import logging
from collections.abc import Iterable, Sequence

from app.control.pool.problems import ProblemReason
from app.control.pool.status import EventType, PoolEvent
from app.control.pool.worker_pool import PoolKey
from app.control.ports import DrainEnd, Scaling

logger = logging.getLogger("celeriac.pools")
"""One name for all of it, so that a log can be filtered for the trail."""

_OUTAGES = (
    ProblemReason.BROKER_UNREACHABLE,
    ProblemReason.BROKER_REFUSED,
    ProblemReason.TARGET_UNREACHABLE,
)
_LEFT_OUT = {
    *("ScaledUp", "ScaledDown"),  # logged by `log_scaling` with their numbers
    # An outage is logged once for all pools: by the loop, or by the client of the API server.
    *(reason.value for reason in _OUTAGES),
    *(f"{reason.value}Resolved" for reason in _OUTAGES),
}

_LEVELS = {EventType.NORMAL: logging.INFO, EventType.WARNING: logging.WARNING}


def log_scaling(pool: PoolKey, scaling: Scaling | None, *, why: Sequence[str]) -> None:
    """Log a change of size. Unlike Events, none is left out when several come fast."""
    if scaling is not None:
        fields = {"pool": str(pool), "from": scaling.was, "to": scaling.now, "why": "; ".join(why)}
        logger.info("pool scaled", extra=fields)


def log_events(pool: PoolKey, events: Iterable[PoolEvent]) -> None:
    """Log what else a pool tells: drains, refusals, outages of its broker, recoveries."""
    for event in events:
        if event.reason not in _LEFT_OUT:
            fields = {"pool": str(pool), "reason": event.reason, "detail": event.message}
            logger.log(_LEVELS[event.type], "pool event", extra=fields)


def log_drains(pool: PoolKey, ended: Iterable[DrainEnd]) -> None:
    """Log drains that are over, each with what became of it and how long it took."""
    for each in ended:
        fields = {
            "pool": str(pool),
            "replica": each.replica,
            "outcome": each.outcome.value,
            "duration_s": round(each.duration_s, 1),
        }
        logger.info("drain ended", extra=fields)


def log_outage(broker: str, *, problem: str, pools: int) -> None:
    """Log the beginning of an outage, once for all pools of a broker."""
    fields = {"broker": broker, "pools": pools, "reason": problem}
    logger.warning("broker not read, its pools keep their sizes", extra=fields)


def log_recovery(broker: str, *, lasted_s: float) -> None:
    """Log the end of an outage."""
    logger.info("broker is read again", extra={"broker": broker, "lasted_s": round(lasted_s, 1)})
