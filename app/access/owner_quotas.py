"""What owners have used of their limits, and refusals where nothing is left.

Limits in a window of time are counted in Redis. Without Redis nothing is refused: jobs are accepted
without it too. What owners have at the moment (jobs, bytes) is counted in the database.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from app.broker.quotas import QuotaCounters, QuotaUse
from app.errors import BrokerUnreachable, LimitExceeded, QuotaExceeded
from app.storage import ownership
from app.storage.owner_limits import OwnerLimitStore, stored_bytes

logger = logging.getLogger(__name__)

MINUTE_S, DAY_S = 60.0, 24 * 3600.0

PAUSE_S = 5.0
"""After a failure Redis is not asked for so long: requests do not wait for time-outs in turn."""

RETRY_S = 60.0
"""When a client may try again that must wait for its own jobs to end or to be deleted."""

REQUESTS, JOBS, RUNNING, BYTES, TOKENS, RECIPIENTS = (
    "requests_per_minute",
    "unfinished_jobs",
    "running_jobs",
    "stored_bytes",
    "llm_tokens_per_day",
    "recipients_per_day",
)
_WINDOWS = {REQUESTS: MINUTE_S, TOKENS: DAY_S, RECIPIENTS: DAY_S}
_WORDS = {
    REQUESTS: "requests per minute",
    JOBS: "unfinished jobs",
    RUNNING: "running jobs",
    BYTES: "stored bytes",
    TOKENS: "tokens of language models per day",
    RECIPIENTS: "recipients per day",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """One limit of an owner, and how much of it is used."""

    name: str
    limit: int | None
    used: int
    resets_in_s: float | None
    """None for what does not depend on time, and where nothing is counted yet."""


class OwnerQuotas:
    """The quotas of all owners. Safe to use from many threads."""

    def __init__(
        self,
        limits: OwnerLimitStore,
        counters: QuotaCounters,
        *,
        stored_bytes: Callable[[str], int],
        unfinished_jobs: Callable[[str], int],
        running_jobs: Callable[[str], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._counters = counters
        self._stored_bytes = stored_bytes
        self._counts = {
            JOBS: unfinished_jobs,
            RUNNING: running_jobs,
            BYTES: stored_bytes,
        }
        self._monotonic = monotonic
        self._quiet_until = 0.0

    def take_request(self, owner: str) -> tuple[int, QuotaUse] | None:
        """Count a request; the limit and its use, or None where nothing limits it."""
        limit = self.limits.of(owner).requests_per_minute
        if limit is None:
            return None
        use = self._taken(REQUESTS, owner, amount=1, limit=limit)
        return None if use is None else (limit, use)

    def take_recipients(self, owner: str, count: int, *, limit: int) -> None:
        """Count addresses that jobs name. Raises QuotaExceeded."""
        if count == 0:
            return
        use = self._taken(RECIPIENTS, owner, amount=count, limit=limit)
        if use is not None and not use.is_taken:
            raise exceeded(RECIPIENTS, owner, limit=limit, use=use)

    def check_bytes(self, owner: str, adding: int = 0) -> None:
        """Raises QuotaExceeded when so many bytes more do not fit."""
        limit = self.limits.of(owner).stored_bytes
        if limit is not None:
            check_bytes(owner, limit=limit, used=self._stored_bytes(owner), adding=adding)

    def byte_check(self, owner: str) -> Callable[[Connection, int], None] | None:
        """`check_bytes` for the inside of a transaction, on its own connection; None without a
        limit. The limit is read now: a second connection would be waited for with a lock held."""
        limit = self.limits.of(owner).stored_bytes
        if limit is None:
            return None

        def check(connection: Connection, adding: int) -> None:
            used = stored_bytes(connection, owner)
            check_bytes(owner, limit=limit, used=used, adding=adding)

        return check

    def check_artifact(self, size_bytes: int) -> None:
        """The same for a file of the running job. Raises LimitExceeded: a retry would not help."""
        try:
            self.check_bytes(ownership.current().owner, size_bytes)
        except QuotaExceeded as error:
            raise LimitExceeded(str(error)) from error

    def check_tokens(self) -> None:
        """Whether the owner of the running job may ask a language model. Raises LimitExceeded."""
        owner = ownership.current().owner
        limit = self.limits.of(owner).llm_tokens_per_day
        if limit is None:
            return
        use = self._taken(TOKENS, owner, amount=0, limit=limit)
        if use is not None and use.used >= limit:
            raise LimitExceeded(str(exceeded(TOKENS, owner, limit=limit, use=use)))

    def add_tokens(self, count: int) -> None:
        """Count the tokens of an answer, also those beyond the limit."""
        owner = ownership.current().owner
        if self.limits.of(owner).llm_tokens_per_day is not None:
            self._taken(TOKENS, owner, amount=count, limit=None)

    def uses(self, owner: str) -> list[LimitUse]:
        """Every limit of the owner with its use. Raises BrokerUnreachable."""
        limits = self.limits.of(owner)
        found = []
        for name in _WORDS:
            used, resets_in_s = self._use(name, owner)
            limit = getattr(limits, name)
            found.append(LimitUse(name=name, limit=limit, used=used, resets_in_s=resets_in_s))
        return found

    def _use(self, name: str, owner: str) -> tuple[int, float | None]:
        if name in self._counts:
            return self._counts[name](owner), None
        use = self._counters.read(name, owner, window_s=_WINDOWS[name])
        return use.used, use.resets_in_s or None

    def _taken(self, name: str, owner: str, *, amount: int, limit: int | None) -> QuotaUse | None:
        if self._monotonic() < self._quiet_until:
            return None
        window_s = _WINDOWS[name]
        try:
            return self._counters.take(name, owner, amount=amount, limit=limit, window_s=window_s)
        except BrokerUnreachable as error:
            self._quiet_until = self._monotonic() + PAUSE_S
            extra = {"limit": name, "reason": str(error)}
            logger.warning("a limit is not enforced: Redis does not answer", extra=extra)
            return None


def check_unfinished(owner: str, *, limit: int, count: int, adding: int) -> None:
    """Raises QuotaExceeded when the owner has too many unfinished jobs: `count` of them, with those
    that are being added."""
    if count > limit:
        left = limit - (count - adding)
        raise refused(JOBS, owner, limit=limit, left=left, after_s=RETRY_S)


def check_bytes(owner: str, *, limit: int, used: int, adding: int = 0) -> None:
    """Raises QuotaExceeded when so many bytes more do not fit."""
    if used + adding > limit or used >= limit:
        raise refused(BYTES, owner, limit=limit, left=limit - used, after_s=RETRY_S)


def exceeded(name: str, owner: str, *, limit: int, use: QuotaUse) -> QuotaExceeded:
    """The refusal of a limit in a window of time."""
    left = max(0, limit - use.used)
    return refused(name, owner, limit=limit, left=left, after_s=use.resets_in_s)


def refused(name: str, owner: str, *, limit: int, left: int, after_s: float) -> QuotaExceeded:
    """The refusal of a limit, with what is left of it."""
    left = max(0, left)
    return QuotaExceeded(
        f"{owner!r} may have {limit:,} {_WORDS[name]}, of which {left:,} are left",
        limit=name,
        left=left,
        retry_after_s=max(1.0, after_s),
    )
