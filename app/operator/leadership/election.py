"""One operator acts on a namespace at a time; others stand by, with their watches warm.

A Lease for each namespace that is served, held in alphabetical order: two operators that serve the
same two namespaces cannot each wait for the other. The loop runs while all of them are held.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from app.errors import AccessDenied, CeleriacError, Conflict, NotFound
from app.operator.kubernetes.apiserver import ApiServer
from app.operator.leadership import lease
from app.operator.leadership.lease import LeaseStep, ObservedLease
from app.operator.resources import workload_kinds as kinds

logger = logging.getLogger(__name__)

API_VERSION = "coordination.k8s.io/v1"
REQUEST_S = 5.0
SHORTEST_S = 0.05


class HeldLease:
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
        """How often it came from another holder, or from none, to us."""

    @property
    def left_s(self) -> float:
        """For how long we may still act on it."""
        if self._renewed_at_s is None:
            return 0.0
        return max(0.0, self._renewed_at_s + lease.RENEW_DEADLINE_S - self._clock())

    @property
    def other_holder(self) -> str:
        """Who else holds it; empty where nobody does."""
        found = self._seen
        return found.holder if found is not None and found.holder != self._me else ""

    async def attempt(self) -> None:
        """Renew it, or take it where nobody holds it. Raises as the API server's client does."""
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
        """Give it back."""
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
        self._seen = lease.seen(self._seen, answer, now_s=self._clock())
        self._renewed_at_s = began_at_s

    async def _read(self) -> None:
        try:
            document = await self._server.get(self._path(lease.NAME))
        except NotFound:
            self._seen = None
        else:
            self._seen = lease.seen(self._seen, document, now_s=self._clock())
        if self._seen is None or self._seen.holder != self._me:
            self._renewed_at_s = None

    def _path(self, name: str = "") -> str:
        return kinds.path(API_VERSION, "leases", namespace=self.namespace, name=name)


class Leadership:
    """Holds the leases of this process, or waits for them."""

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
        """`takes_over` takes the leases from whoever holds them, and keeps them for a while."""
        self._on_change = on_change
        self._leases = [
            HeldLease(server, name, me=me, clock=clock, takes_over=takes_over)
            for name in sorted(set(namespaces))
        ]
        self._changed = asyncio.Condition()
        self._is_leading = False
        self._told = ""
        self.problem = ""
        """Why it can be neither held nor waited for; empty when it can."""

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
        """Who else holds which namespace."""
        return {each.namespace: each.other_holder for each in self._leases if each.other_holder}

    async def gained(self) -> None:
        """Return when this process leads."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_leading)

    async def lost(self) -> None:
        """Return when this process does not lead any more."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_leading)

    async def run(self) -> None:
        """Hold or wait, for ever."""
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
        """Give all of them back: a successor that stands by goes on at once."""
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
            self._tell("operator leads", namespaces=sorted(each.namespace for each in self._leases))
        elif self.holders:
            self._tell("operator stands by", holders=self.holders)
        async with self._changed:
            if is_leading is not self._is_leading:
                self._is_leading = is_leading
                if not is_leading and not self.holders:
                    self._tell("operator does not act: its lease could not be renewed")
                self._on_change(is_leading)
                self._changed.notify_all()

    def _tell(self, event: str, **fields: object) -> None:
        """Log what is so, once."""
        key = f"{event} {fields.get('holders', '')}"
        if key != self._told:
            self._told = key
            logger.info(event, extra=fields)


def _fields(held: HeldLease, error: Exception) -> dict[str, object]:
    return {"namespace": held.namespace, "error": str(error) or type(error).__name__}
