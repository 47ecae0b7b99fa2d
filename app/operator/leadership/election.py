"""One operator acts on a namespace at a time; others stand by, with their caches complete.

There is a Lease for each served namespace. They are taken in alphabetical order, so that two
operators of the same two namespaces cannot wait for each other. The loop runs while all are held.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from app.control.loop import Loop
from app.errors import AccessDenied, CeleriacError, Conflict, NotFound
from app.operator.kubernetes.apiserver import ApiServer, object_path
from app.operator.leadership import lease
from app.operator.leadership.lease import LeaseStep, ObservedLease

logger = logging.getLogger(__name__)

API_VERSION = "coordination.k8s.io/v1"
REQUEST_S = 5.0
SHORTEST_S = 0.05


class NamespaceLease:
    """The Lease of one namespace, as far as this process holds it."""

    def __init__(
        self,
        server: ApiServer,
        namespace: str,
        *,
        me: str,
        clock: Callable[[], float],
        takes_over: bool = False,
    ) -> None:
        self._takes_over = takes_over
        self._duration_s = lease.LAST_DURATION_S if takes_over else lease.DURATION_S
        self.namespace = namespace
        self._server = server
        self._me = me
        self._clock = clock
        self._seen: ObservedLease | None = None
        self._renewed_at_s: float | None = None
        self.terms = 0
        """How often this process has acquired it."""

    @property
    def left_s(self) -> float:
        """For how long this process may still act on it."""
        if self._renewed_at_s is None:
            return 0.0
        return max(0.0, self._renewed_at_s + lease.RENEW_DEADLINE_S - self._clock())

    @property
    def other_holder(self) -> str:
        """Another process that holds it; empty if there is none."""
        found = self._seen
        return found.holder if found is not None and found.holder != self._me else ""

    async def attempt(self) -> None:
        """Renew it, or take it if it is free. Raises as `ApiServer` does."""
        if self._seen is None or self.left_s == 0:
            await self._read()
        began_at_s = self._clock()
        try:
            step = lease.step(
                self._seen, me=self._me, now_s=began_at_s, takes_over=self._takes_over
            )
            await self._write(step, began_at_s)
        except (Conflict, NotFound):
            await self._read()

    async def release(self) -> None:
        """Release it for a successor."""
        if self._seen is not None and self.left_s > 0:
            self._renewed_at_s = None
            body = lease.release(self._seen, now=datetime.now(UTC))
            await self._server.patch(self._path(lease.NAME), body)

    async def _write(self, step: LeaseStep, began_at_s: float) -> None:
        now = datetime.now(UTC)
        match step:
            case LeaseStep.CREATE:
                body = lease.created(me=self._me, now=now, duration_s=self._duration_s)
                answer = await self._server.create(self._path(), body)
            case LeaseStep.RENEW | LeaseStep.TAKE if self._seen is not None:
                body = lease.renewal(self._seen, me=self._me, now=now, duration_s=self._duration_s)
                answer = await self._server.patch(self._path(lease.NAME), body)
            case _:
                self._renewed_at_s = None
                return
        if step is not LeaseStep.RENEW:
            self.terms += 1
        self._seen = lease.observed(self._seen, answer, now_s=self._clock())
        self._renewed_at_s = began_at_s

    async def _read(self) -> None:
        try:
            document = await self._server.get(self._path(lease.NAME))
        except NotFound:
            self._seen = None
        else:
            self._seen = lease.observed(self._seen, document, now_s=self._clock())
        if self._seen is None or self._seen.holder != self._me:
            self._renewed_at_s = None

    def _path(self, name: str = "") -> str:
        return object_path(API_VERSION, "leases", namespace=self.namespace, name=name)


class Leadership:
    """Holds the Leases of this process, or waits for them."""

    def __init__(
        self,
        server: ApiServer,
        namespaces: Sequence[str],
        *,
        me: str,
        takes_over: bool = False,
        on_change: Callable[[float], None] = lambda is_leading: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`takes_over` takes the Leases from their holders, and holds them a little longer."""
        self._on_change = on_change
        self._leases = [
            NamespaceLease(server, name, me=me, clock=clock, takes_over=takes_over)
            for name in sorted(set(namespaces))
        ]
        self._changed = asyncio.Condition()
        self._is_leading = False
        self._logged = ""
        self.problem = ""
        """The missing right, if the Role does not allow Leases; empty otherwise."""

    @property
    def is_leading(self) -> bool:
        """Whether this process may act now."""
        return all(each.left_s > 0 for each in self._leases)

    @property
    def terms(self) -> int:
        """Grows whenever another operator may have acted in between."""
        return sum(each.terms for each in self._leases)

    @property
    def holders(self) -> dict[str, str]:
        """The other processes that hold a Lease, by namespace."""
        return {each.namespace: each.other_holder for each in self._leases if each.other_holder}

    async def gained(self) -> None:
        """Return when this process leads."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_leading)

    async def lost(self) -> None:
        """Return when this process no longer leads."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_leading)

    async def run(self) -> None:
        """Hold the Leases or wait for them, until cancelled."""
        while True:
            left_s = min(each.left_s for each in self._leases)
            try:
                async with asyncio.timeout(min(left_s or REQUEST_S, REQUEST_S)):
                    await self._attempt()
                self.problem = ""
            except (CeleriacError, TimeoutError) as error:
                self._failed(error)
            await self._publish()
            left_s = min(each.left_s for each in self._leases)
            retry_s = min(lease.RETRY_S, left_s) if left_s else lease.STANDBY_RETRY_S
            await asyncio.sleep(max(retry_s, SHORTEST_S))
            await self._publish()

    async def release(self) -> None:
        """Release all Leases: a successor that stands by takes over at once."""
        self._is_leading = False
        self._on_change(False)  # noqa: FBT003  # a gauge of one value
        for each in self._leases:
            try:
                async with asyncio.timeout(REQUEST_S):
                    await each.release()
            except (CeleriacError, TimeoutError) as error:
                logger.info("lease not released", extra=_fields(each, error))

    async def _attempt(self) -> None:
        for each in self._leases:
            await each.attempt()
            if each.left_s == 0:
                return

    def _failed(self, error: CeleriacError | TimeoutError) -> None:
        if isinstance(error, AccessDenied):
            self.problem = f"the operator's Role needs get, create and patch on leases: {error}"

    async def _publish(self) -> None:
        is_leading = self.is_leading
        if is_leading:
            self._log_once(
                "operator leads", namespaces=sorted(each.namespace for each in self._leases)
            )
        elif self.holders:
            self._log_once("operator stands by", holders=self.holders)
        async with self._changed:
            if is_leading is not self._is_leading:
                self._is_leading = is_leading
                if not is_leading and not self.holders:
                    self._log_once("operator does not act: its lease could not be renewed")
                self._on_change(is_leading)
                self._changed.notify_all()

    def _log_once(self, event: str, **fields: object) -> None:
        """Log an event, unless it was the last one logged."""
        key = f"{event} {fields.get('holders', '')}"
        if key != self._logged:
            self._logged = key
            logger.info(event, extra=fields)


def _fields(held: NamespaceLease, error: Exception) -> dict[str, object]:
    return {"namespace": held.namespace, "error": str(error) or type(error).__name__}


class Unopposed:
    """The leadership of a process that writes nothing (a dry run): it always leads."""

    terms = 0
    is_leading = True
    problem = ""

    async def gained(self) -> None:
        return

    async def lost(self) -> None:
        await asyncio.Event().wait()

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def release(self) -> None:
        return


class LeadershipTerms(Protocol):
    """When this process may act."""

    @property
    def terms(self) -> int: ...

    async def gained(self) -> None: ...

    async def lost(self) -> None: ...


async def lead(leadership: LeadershipTerms, loop: Loop, *, on_lost: Callable[[], None]) -> None:
    """Run the loop whenever this process leads, until cancelled.

    The loop keeps its memory, unless another operator may have acted in between.
    """
    term: int | None = None
    while True:
        await leadership.gained()
        if term == leadership.terms:
            loop.rewrite()
        elif term is not None:
            loop.forget()
        term = leadership.terms
        running = asyncio.create_task(loop.run(), name="loop")
        lost = asyncio.create_task(leadership.lost(), name="lost leadership")
        try:
            await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (running, lost):
                task.cancel()
            await asyncio.gather(running, lost, return_exceptions=True)
        if not running.cancelled():
            running.result()
        on_lost()
