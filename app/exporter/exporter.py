"""Observes one application, and answers each scrape with one round trip to its broker."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import CollectorRegistry

from app.broker.connections.address import Address
from app.broker.link import Link
from app.broker.model import BrokerReading, Heartbeat, NodeConsumers, NodeName
from app.broker.redis_keys import CELERY_EXCHANGES, Exchanges
from app.broker.workers.task_events import TaskEvent
from app.errors import BrokerUnreachable
from app.exporter import families, series
from app.exporter.series import Host, KnownQueues, label_value
from app.exporter.tally import TaskTally
from app.telemetry import scraping
from app.telemetry.logs import OutageLog

logger = logging.getLogger(__name__)

ASK_S = 60.0
"""How often workers are asked for their queues."""
ASK_NEW_S = 5.0
"""How soon a new worker is asked."""
NODES_AT_ONCE = 100
"""Workers per request."""

SCRAPE_LIMIT_S = 9.0
"""Less than Prometheus' default of 10 s, more than the broker may take to answer."""


class Exporter:
    """The metrics of one application. Everything runs in the event loop that opened it."""

    def __init__(
        self,
        address: Address,
        *,
        key_prefix: str = "",
        exchanges: Exchanges = CELERY_EXCHANGES,
        queues: Iterable[str] = (),
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._link = Link(
            address,
            key_prefix=key_prefix,
            exchanges=exchanges,
            clock=clock,
            on_task=self._note,
        )
        self._tally = TaskTally()
        self._queues = KnownQueues(queues)
        self._hosts: Mapping[str, Host] = {}
        self._answers: dict[NodeName, NodeConsumers] = {}
        self._asking: asyncio.Task[None] | None = None
        self._outage = OutageLog(
            logger=logger, began="broker not read, no depths", ended="broker is read again"
        )

    def open(self) -> None:
        """Start to listen. The broker may be unavailable: it is retried."""
        self._link.open()
        self._asking = asyncio.create_task(self._keep_asking(), name="who consumes what")

    async def close(self) -> None:
        """Stop listening."""
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking
        await self._link.close()

    async def collect(self) -> list[Metric]:
        """The current value of every metric. An outage of the broker is a metric, not an error."""
        self._queues.forget(now_s=self._clock())
        try:
            reading = await self._link.queues.read(self._queues.names())
        except BrokerUnreachable as error:
            self._outage.failed(str(error))
            return [families.of_broker(is_up=False), *_guarded("tasks", self._of_tasks)]
        self._outage.worked()
        self._keep_used(reading)
        return [
            families.of_broker(is_up=True),
            *_guarded("queues", lambda: families.of_queues(reading.queues.values())),
            *_guarded("workers", lambda: self._of_workers(reading)),
            *_guarded("consumers", lambda: self._of_consumers(reading)),
            *_guarded("tasks", self._of_tasks),
        ]

    def _of_workers(self, reading: BrokerReading) -> Iterator[Metric]:
        now_s = reading.read_at_s
        self._hosts = series.hosts_after(self._hosts, reading.heartbeats, now_s=now_s)
        self._tally.forget_hosts(
            silent_since_s=now_s - series.FORGOTTEN_S, but=frozenset(map(label_value, self._hosts))
        )
        return families.of_workers(self._hosts)

    def _of_consumers(self, reading: BrokerReading) -> Iterator[Metric]:
        awake = _awake(reading.heartbeats, now_s=reading.read_at_s)
        answers = [answer for node, answer in self._answers.items() if node in awake]
        return families.of_consumers(answers, reading.queues)

    def _of_tasks(self) -> Iterator[Metric]:
        return families.of_tasks(self._tally.counts)

    def _note(self, event: TaskEvent) -> None:
        now_s = self._clock()
        self._tally.note(event, now_s=now_s)
        if event.queue is not None:
            self._queues.note(event.queue, is_certain=False, now_s=now_s)

    def _keep_used(self, reading: BrokerReading) -> None:
        """A queue with messages keeps its series, even if no worker consumes it."""
        for name, queue in reading.queues.items():
            if queue.ready or queue.unacked:
                self._queues.note(name, is_certain=True, now_s=reading.read_at_s)

    async def _keep_asking(self) -> None:
        """Ask all workers regularly, and new ones soon, for their queues and slots. Each is asked
        by its name, and no scrape waits for it."""
        loop = asyncio.get_running_loop()
        everybody_at_s = 0.0
        while True:
            is_everybody = loop.time() >= everybody_at_s
            if is_everybody:
                everybody_at_s = loop.time() + ASK_S
            try:
                await self._ask(is_everybody=is_everybody)
            except BrokerUnreachable as error:
                logger.debug("workers could not be asked", extra={"reason": str(error)})
            await asyncio.sleep(ASK_NEW_S)

    async def _ask(self, *, is_everybody: bool) -> None:
        heartbeats = (await self._link.queues.read(())).heartbeats
        awake = _awake(heartbeats, now_s=self._clock())
        self._answers = {node: a for node, a in self._answers.items() if node in awake}
        asked = [node for node in awake if is_everybody or node not in self._answers]
        for start in range(0, len(asked), NODES_AT_ONCE):
            self._answers |= await self._link.workers.consumers(
                asked[start : start + NODES_AT_ONCE]
            )
        for answer in self._answers.values():
            for queue in answer.shared:
                self._queues.note(queue.name, is_certain=True, now_s=self._clock())


def _guarded(source: str, build: Callable[[], Iterable[Metric]]) -> list[Metric]:
    """The metrics of one source. If it fails, only these are missing."""
    try:
        return list(build())
    except Exception:
        logger.exception("metrics are missing in this scrape", extra={"source": source})
        return []


def _awake(heartbeats: Mapping[NodeName, Heartbeat], *, now_s: float) -> list[NodeName]:
    """The workers with a recent heartbeat."""
    silent_s = series.SILENT_S
    return [node for node, each in heartbeats.items() if now_s - each.seen_at_s < silent_s]


async def run(exporter: Exporter, *, host: str, port: int) -> None:
    """Export until SIGTERM or SIGINT: listen in the event loop, answer scrapes from a thread.

    Raises:
        InvalidInput: the port is taken, or the host is not one of this machine.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def collect() -> Iterable[Metric]:
        return asyncio.run_coroutine_threadsafe(exporter.collect(), loop).result(SCRAPE_LIMIT_S)

    registry = CollectorRegistry()
    registry.register(scraping.Collected(collect))
    for own in (ProcessCollector, PlatformCollector, GCCollector):
        own(registry=registry)
    exporter.open()
    try:
        with scraping.serving(registry, host=host, port=port) as listening_on:
            logger.info("exporter runs", extra={"host": host, "port": listening_on})
            await stop.wait()
    finally:
        await exporter.close()
