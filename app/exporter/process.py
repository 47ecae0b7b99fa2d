"""The exporter's process: listens in its event loop, and is scraped from a thread."""

import asyncio
import logging
import signal
from collections.abc import Iterable

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import CollectorRegistry

from app.exporter.exporter import Exporter
from app.telemetry import scraping

logger = logging.getLogger(__name__)

SCRAPE_LIMIT_S = 9.0
"""Less than Prometheus' own limit of 10 s, more than the broker may take to answer."""


async def run(exporter: Exporter, *, host: str, port: int) -> None:
    """Export until SIGTERM or SIGINT.

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
