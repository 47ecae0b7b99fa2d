"""Observes one application and records its tasks, from its broker alone."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from app.broker.connections.address import Address
from app.broker.link import Link
from app.broker.model import BrokerReading, Heartbeat, NodeConsumers, NodeName
from app.broker.queues import bindings
from app.broker.redis_keys import CELERY_EXCHANGES, Exchanges
from app.broker.workers.content_negotiation import ContentNegotiation
from app.broker.workers.pidbox import Pidbox, Request
from app.broker.workers.task_events import TaskEvent
from app.console.history import History, Sample
from app.errors import BrokerUnreachable
from app.exporter.series import KnownQueues
from app.foreign.history_reader import HistoryReader
from app.foreign.history_rows import Rates
from app.foreign.history_writer import Retention
from app.foreign.observed import Seen, SeenQueue, SeenWorker
from app.foreign.recorder import Recorder
from app.foreign.wait_reader import WaitReader
from app.foreign.worker_actions import Acknowledged, WorkerActions
from app.telemetry.logs import OutageLog

logger = logging.getLogger(__name__)

OBSERVE_S = 2.0
DECLARED_S = 15.0
"""How often declared queues are looked for."""
ASK_S = 20.0
"""How often workers are asked for their queues and slots; new ones at once."""
ASK_AFTER_ACTION_S = 10.0
GONE_S = 30.0
"""Heartbeats come every 2 s: a worker that is silent for so long is gone."""
SILENT_S = 20.0
"""Workers that process tasks for so long, and no event tells which."""
NODES_AT_ONCE = 100


class Observer:
    """One application: what it is like now in `seen`, what it was like in `reader`."""

    def __init__(
        self,
        address: Address,
        *,
        history: Path,
        retention: Retention,
        key_prefix: str = "",
        exchanges: Exchanges = CELERY_EXCHANGES,
        enables_events: bool,
        clock: Callable[[], float],
    ) -> None:
        """With `enables_events`, workers are asked to send events about their tasks.

        Raises:
            InvalidInput: the history cannot be used.
        """
        self._clock = clock
        self._enables_events = enables_events
        self._recorder = Recorder(history, retention=retention, clock=clock)
        self.reader = HistoryReader(history, clock=clock)
        self.charts = History()
        self.link = Link(
            address, key_prefix=key_prefix, exchanges=exchanges, clock=clock, on_task=self._take
        )
        self.pidbox = Pidbox(
            self.link.connection, self.link.keys, ContentNegotiation(), clock=clock
        )
        self.workers = WorkerActions(self.pidbox)
        self.waits = WaitReader(self.link, self.pidbox)
        self.paused: dict[str, frozenset[NodeName]] = {}
        """Queues that were paused through the console, with the workers that consumed them."""
        self._queues = KnownQueues()
        self._answers: dict[NodeName, NodeConsumers] = {}
        self._processed: dict[NodeName, int] = {}
        self._event_at_s = clock()
        self._due_at_s = {"declared": 0.0, "workers": 0.0}
        self._asks_until_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._outage = OutageLog(
            logger=logger, began="broker not read", ended="broker is read again"
        )
        self.seen = Seen(at=self._now(), counts={}, problem="The first reading is not done yet.")

    async def open(self) -> None:
        """Start to observe. The broker may be unavailable: it is retried."""
        self._recorder.open()
        self.link.open()
        await self._observe()
        self._task = asyncio.create_task(self._keep_observing(), name="observer")

    async def close(self) -> None:
        """Stop, and store what is known."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.link.close()
        await run_in_threadpool(self._recorder.close)

    def note(self, action: str, subject: str, outcome: str) -> None:
        """Keep that something was done through the console."""
        self._recorder.note(action, subject, outcome)

    def awake(self) -> list[NodeName]:
        """The workers with a recent heartbeat."""
        return [NodeName(worker.node) for worker in self.seen.workers]

    async def pause(self, queue: str) -> Acknowledged:
        """Let every worker stop consuming a queue. Raises BrokerUnreachable."""
        nodes = [NodeName(one.node) for one in self.seen.workers if queue in (one.queues or ())]
        found = await self.workers.stop_consuming(nodes, queue)
        before = self.paused.get(queue, frozenset())
        self.paused[queue] = before | frozenset(map(NodeName, found.done))
        self.refresh()
        return found

    async def resume(self, queue: str) -> Acknowledged:
        """Let the workers consume a queue again that consumed it when it was paused, or whose tasks
        of it are known. Raises BrokerUnreachable."""
        known: frozenset[str] = self.paused.get(queue, frozenset())
        if not known:
            known = await run_in_threadpool(self.reader.workers_of, queue)
        nodes = [node for node in self.awake() if node in known]
        found = await self.workers.consume(nodes, queue)
        self.paused.pop(queue, None)
        self.refresh()
        return found

    def refresh(self) -> None:
        """Ask workers with each of the next readings: they act some time after they confirm."""
        self._asks_until_s = asyncio.get_running_loop().time() + ASK_AFTER_ACTION_S

    def _take(self, event: TaskEvent) -> None:
        self._event_at_s = self._clock()
        self._recorder.take(event)
        if event.queue is not None:
            self._queues.note(event.queue, is_certain=False, now_s=self._event_at_s)

    async def _keep_observing(self) -> None:
        while True:
            await asyncio.sleep(OBSERVE_S)
            try:
                await self._observe()
            except Exception:
                logger.exception("the application was not observed")

    async def _observe(self) -> None:
        counts = await run_in_threadpool(self.reader.counts)
        failures = await run_in_threadpool(self.reader.failures)
        rates = await run_in_threadpool(self.reader.rates)
        known = replace(
            self.seen,
            at=self._now(),
            counts=counts,
            failures=failures,
            dropped=self._recorder.dropped,
        )
        try:
            await self._find_queues()
            reading = await self.link.queues.read(self._queues.names())
            awake = self._awake(reading.heartbeats)
            await self._ask(awake)
        except BrokerUnreachable as error:
            self._outage.failed(str(error))
            self.seen = replace(known, problem=f"The broker gives no answer: {error}")
            self.charts.add_sample(Sample(at=known.at, ready={}, pools={}))
            return
        self._outage.worked()
        self.seen = replace(
            known,
            queues=self._seen_queues(reading, rates),
            workers=self._seen_workers(awake, reading),
            is_silent=self._is_silent(awake),
            problem=None,
        )
        ready = {queue.name: queue.ready for queue in self.seen.queues}
        self.charts.add_sample(Sample(at=known.at, ready=ready, pools={}))
        await self._lose_vanished(awake, reading)

    async def _find_queues(self) -> None:
        now_s = self._clock()
        self._queues.forget(now_s=now_s)
        if self._is_due("declared", DECLARED_S):
            async with self.link.connection.asking() as client:
                names = await bindings.declared_queues(client, self.link.keys)
            for name in names:
                self._queues.note(name, is_certain=False, now_s=now_s)

    async def _ask(self, awake: Mapping[NodeName, Heartbeat]) -> None:
        """Ask workers for their queues and, if it is wanted, to send events."""
        has_acted = asyncio.get_running_loop().time() < self._asks_until_s
        is_everybody = self._is_due("workers", ASK_S) or has_acted
        self._answers = {node: a for node, a in self._answers.items() if node in awake}
        asked = [node for node in awake if is_everybody or node not in self._answers]
        for start in range(0, len(asked), NODES_AT_ONCE):
            some = asked[start : start + NODES_AT_ONCE]
            self._answers |= await self.link.workers.consumers(some)
            if self._enables_events:
                await self.pidbox.call([Request(method="enable_events")], some)
        now_s = self._clock()
        for answer in self._answers.values():
            for queue in answer.shared:
                self._queues.note(queue.name, is_certain=True, now_s=now_s)
        self._recorder.only_queues = {
            node: next(iter(answer.shared)).name
            for node, answer in self._answers.items()
            if len(answer.shared) == 1
        }

    async def _lose_vanished(self, awake: Collection[NodeName], reading: BrokerReading) -> None:
        """Tasks of workers that are gone do not run any more. Those of a worker are only judged
        once its heartbeat would have been heard."""
        since_s = reading.listening_since_s
        if since_s is None or reading.read_at_s - since_s < GONE_S:
            return
        busy = await run_in_threadpool(self.reader.busy_workers)
        self._recorder.lose(busy - set(awake))

    def _seen_queues(
        self, reading: BrokerReading, rates: Mapping[str, Rates]
    ) -> tuple[SeenQueue, ...]:
        consumers = self._consumers()
        now_s = reading.read_at_s
        for name, queue in reading.queues.items():
            if queue.ready or queue.unacked:
                self._queues.note(name, is_certain=True, now_s=now_s)
        return tuple(
            SeenQueue(
                name=name,
                ready=queue.ready,
                unacked=queue.unacked,
                scheduled=queue.scheduled,
                oldest_age_s=queue.oldest_age_s,
                consumers=consumers.get(name, 0),
                rates=rates.get(name),
            )
            for name, queue in sorted(reading.queues.items())
        )

    def _seen_workers(
        self, awake: Mapping[NodeName, Heartbeat], reading: BrokerReading
    ) -> tuple[SeenWorker, ...]:
        found = []
        for node, heartbeat in sorted(awake.items()):
            answer, now_s = self._answers.get(node), reading.read_at_s
            began_at_s = None if answer is None else answer.began_at_s
            found.append(
                SeenWorker(
                    node=node,
                    active=heartbeat.active,
                    processed=heartbeat.processed,
                    heartbeat_age_s=max(0.0, now_s - heartbeat.seen_at_s),
                    slots=None if answer is None else answer.processes or answer.slots,
                    uptime_s=None if began_at_s is None else now_s - began_at_s,
                    queues=None if answer is None else _names(answer),
                    is_deaf=node in reading.troubles,
                )
            )
        return tuple(found)

    def _consumers(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for answer in self._answers.values():
            for name in _names(answer):
                found[name] = found.get(name, 0) + 1
        return found

    def _is_silent(self, awake: Mapping[NodeName, Heartbeat]) -> bool:
        before, self._processed = (
            self._processed,
            {node: each.processed for node, each in awake.items()},
        )
        rises = any(count > before.get(node, count) for node, count in self._processed.items())
        is_silent = self._clock() - self._event_at_s > SILENT_S
        return is_silent and (rises or self.seen.is_silent)

    def _awake(self, heartbeats: Mapping[NodeName, Heartbeat]) -> dict[NodeName, Heartbeat]:
        now_s = self._clock()
        return {node: each for node, each in heartbeats.items() if now_s - each.seen_at_s < GONE_S}

    def _is_due(self, what: str, every_s: float) -> bool:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._due_at_s[what]:
            return False
        self._due_at_s[what] = now_s + every_s
        return True

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _names(answer: NodeConsumers) -> tuple[str, ...]:
    names: Iterable[str] = (queue.name for queue in answer.shared)
    return tuple(sorted(names))
