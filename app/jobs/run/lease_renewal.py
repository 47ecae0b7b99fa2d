"""Renews the leases of this process in one thread, and passes on every reason to stop."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.errors import Cancelled, CeleriacError, StorageUnavailable, Superseded
from app.jobs.model import time_limits
from app.jobs.model.clock import Clock
from app.jobs.model.ticket import Hold
from app.jobs.model.time_limits import TimeLimits
from app.jobs.run.stop import Stop

logger = logging.getLogger(__name__)

TICK_S = 1.0
"""A cancel is passed on within this time."""


class HeldClaims(Protocol):
    """The claims of this process, as the database has them (`store.leases`)."""

    def renew(self, held: Iterable[Hold], *, until: datetime) -> set[Hold]: ...

    def cancels(self, held: Sequence[Hold]) -> dict[Hold, bool]:
        """The claims that are still ours, each with whether its cancel is requested."""


@dataclass(slots=True, eq=False, kw_only=True)
class RenewedLease:
    """A claim whose lease is renewed."""

    hold: Hold
    stop: Stop
    limits: TimeLimits
    on_tick: Callable[[], None]
    """Called at every tick, to show and save progress."""
    on_hard_limit: Callable[[], None]
    began_at: float
    """By the monotonic clock."""
    renewed_at: float


class LeaseRenewer:
    """Renews the leases of one process. Its thread starts with the first claim; without one,
    `tick` is called from outside.

    It does not release a claim by itself: without a database it keeps trying. A claim that it could
    not renew for a whole lease may be another worker's by now, so that its work is asked to stop.
    """

    def __init__(
        self, claims: HeldClaims, *, lease_s: float, clock: Clock, has_thread: bool = True
    ) -> None:
        self._claims = claims
        self._lease_s = lease_s
        self._clock = clock
        self._has_thread = has_thread
        self._tick_s = min(TICK_S, lease_s / 6)
        self.forget()

    def forget(self) -> None:
        """After a fork: leave claims and thread to the parent."""
        self._held: set[RenewedLease] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @contextmanager
    def renewing(self, held: RenewedLease) -> Iterator[None]:
        """Renew this lease for the length of the block."""
        with self._changed:
            self._held.add(held)
            self._start()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._held.discard(held)

    def stop_all(self, error: CeleriacError) -> None:
        """Ask the work of every claim to stop."""
        for one in self._all():
            one.stop.request(error)

    def close(self) -> None:
        """End the thread after its present tick. It starts again with the next claim."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._thread, self._is_closed = None, False

    def tick(self) -> None:
        """Renew what is due, pass on cancels and time limits, show progress."""
        held = self._all()
        try:
            self._renew(held)
            self._pass_on_cancels(held)
            for one in held:
                self._enforce_limits(one)
                one.on_tick()
        except StorageUnavailable as error:
            reason = {"reason": str(error), "leases": len(held)}
            logger.warning("leases are not renewed: the database is away", extra=reason)
        finally:
            for one in held:
                self._stop_if_too_late(one)

    def _all(self) -> tuple[RenewedLease, ...]:
        with self._changed:
            return tuple(self._held)

    def _start(self) -> None:
        if self._thread is None and self._has_thread:
            self._thread = threading.Thread(target=self._run, name="lease-renewal", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._wait_for_claims():
            try:
                self.tick()
            except Exception:  # the supervisor of this thread: without it every lease would expire
                logger.exception("leases could not be renewed", extra={"next": "goes on"})

    def _wait_for_claims(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._is_closed)
            self._changed.wait(self._tick_s)
            return not self._is_closed

    def _renew(self, held: Sequence[RenewedLease]) -> None:
        now_s = self._clock.monotonic()
        due = [one for one in held if now_s - one.renewed_at >= self._lease_s / 3]
        if not due:
            return
        until = self._clock.now() + timedelta(seconds=self._lease_s)
        renewed = self._claims.renew([one.hold for one in due], until=until)
        for one in due:
            if one.hold in renewed:
                one.renewed_at = now_s

    def _pass_on_cancels(self, held: Sequence[RenewedLease]) -> None:
        if not held:
            return
        ours = self._claims.cancels([one.hold for one in held])
        for one in held:
            if one.hold not in ours:
                one.stop.request(Superseded("the lease was lost: another attempt owns the job"))
            elif ours[one.hold]:
                one.stop.request(Cancelled("the job was cancelled"))

    def _enforce_limits(self, one: RenewedLease) -> None:
        age_s = self._clock.monotonic() - one.began_at
        if age_s > one.limits.soft_s:
            one.stop.request(time_limits.exceeded(one.limits))
        if age_s > one.limits.hard_s:
            one.on_hard_limit()

    def _stop_if_too_late(self, one: RenewedLease) -> None:
        if self._clock.monotonic() - one.renewed_at > self._lease_s:
            one.stop.request(Superseded("the lease could not be renewed in time"))
