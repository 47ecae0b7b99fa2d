"""Keeps what this process has claimed: one thread renews every lease and passes on every stop."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.errors import Cancelled, CeleriacError, StorageUnavailable, Superseded
from app.jobs.model import time_limits
from app.jobs.model.time_limits import TimeLimits
from app.jobs.run.stop import Stop
from app.jobs.store.claims import ClaimStore, Hold

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""A cancel is seen within this time."""


@dataclass(slots=True, eq=False, kw_only=True)
class Kept:
    """One claim and what to do about it."""

    hold: Hold
    stop: Stop
    limits: TimeLimits
    on_look: Callable[[], None]
    """Called at every look, to tell and keep progress."""
    on_hard_limit: Callable[[], None]
    began_at: float = field(default_factory=time.monotonic)
    renewed_at: float = field(default_factory=time.monotonic)


class LeaseKeeper:
    """The keeper of one process. Its thread starts with the first claim.

    It never lets a claim go by itself: while the database is away it keeps trying. A claim that it
    could not renew for a whole lease may be another worker's by now: its work is told to stop.
    """

    def __init__(self, claims: ClaimStore, *, lease_s: float) -> None:
        self._claims = claims
        self._lease_s = lease_s
        self._look_s = min(LOOK_S, lease_s / 6)
        self._kept: set[Kept] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @contextmanager
    def keeping(self, kept: Kept) -> Iterator[None]:
        """Keep the claim for the length of the block."""
        with self._changed:
            self._kept.add(kept)
            self._start()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._kept.discard(kept)

    def let_go(self, error: CeleriacError) -> None:
        """Tell the work of every claim to stop."""
        with self._changed:
            kept = tuple(self._kept)
        for one in kept:
            one.stop.request(error)

    def close(self) -> None:
        """End the thread, after what it is doing now."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._wait_for_claims():
            try:
                self._look()
            except Exception:  # the supervisor of this thread: without it every lease would expire
                logger.exception("leases could not be looked after", extra={"next": "goes on"})

    def _wait_for_claims(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._kept or self._is_closed)
            self._changed.wait(self._look_s)
            return not self._is_closed

    def _look(self) -> None:
        with self._changed:
            kept = tuple(self._kept)
        try:
            self._renew(kept)
            self._pass_on_stops(kept)
            for one in kept:
                self._enforce_limits(one)
                one.on_look()
        except StorageUnavailable as error:
            reason = {"reason": str(error), "leases": len(kept)}
            logger.warning("leases are not renewed: the database is away", extra=reason)
        finally:
            for one in kept:
                self._let_go_if_too_late(one)

    def _renew(self, kept: tuple[Kept, ...]) -> None:
        now = time.monotonic()
        due = [one for one in kept if now - one.renewed_at >= self._lease_s / 3]
        if not due:
            return
        until = datetime.now(UTC) + timedelta(seconds=self._lease_s)
        renewed = self._claims.renew([one.hold for one in due], until=until)
        for one in due:
            if one.hold in renewed:
                one.renewed_at = now

    def _pass_on_stops(self, kept: tuple[Kept, ...]) -> None:
        if not kept:
            return
        ours = self._claims.look([one.hold for one in kept])
        for one in kept:
            if one.hold not in ours:
                one.stop.request(Superseded("the lease was lost: another attempt owns the job"))
            elif ours[one.hold]:
                one.stop.request(Cancelled("the job was cancelled"))

    def _enforce_limits(self, one: Kept) -> None:
        age_s = time.monotonic() - one.began_at
        if age_s > one.limits.soft_s:
            one.stop.request(time_limits.exceeded(one.limits))
        if age_s > one.limits.hard_s:
            one.on_hard_limit()

    def _let_go_if_too_late(self, one: Kept) -> None:
        if time.monotonic() - one.renewed_at > self._lease_s:
            one.stop.request(Superseded("the lease could not be renewed in time"))
