"""What the checks examine: one view of a broker, its queues, its workers and our own platform.

A part that could not be read is empty and listed in `missing`; checks that need it are not run.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.broker.connections.address import Address, Endpoint, Sentinels

Setting = Any  # values of Redis' INFO and of Celery's settings


class Part(StrEnum):
    """A part of the snapshot that a check may need."""

    INFO = "INFO of the server"
    CONFIG = "CONFIG of the server"
    QUEUES = "queues"
    WORKERS = "answers of workers"
    PLATFORM = "settings of this platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingQueue:
    """A queue that has messages."""

    name: str
    by_step: Mapping[int, int]
    """Messages by priority step."""
    next_tasks: frozenset[str] = frozenset()
    """Names of the tasks that are next in line at each step."""
    largest_bytes: int = 0
    """The largest of these messages."""

    @property
    def ready(self) -> int:
        return sum(self.by_step.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFacts:
    """A worker process according to its answers to `inspect`."""

    node: str
    pid: int
    conf: Mapping[str, Setting]
    """Its Celery settings with their defaults."""
    queues: frozenset[str]
    tasks: Mapping[str, str]
    """Registered tasks with the options that `inspect registered` shows."""

    @property
    def transport_options(self) -> Mapping[str, Setting]:
        found = self.conf.get("broker_transport_options")
        return found if isinstance(found, Mapping) else {}

    @property
    def visibility_timeout_s(self) -> float:
        """Kombu's default is an hour."""
        return float(self.transport_options.get("visibility_timeout") or 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSetting:
    """A variable or secret file with our prefix that the platform does not read."""

    name: str
    nearest: str
    """The most similar setting; empty where none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFacts:
    """What our own platform is set up with, as this process sees it."""

    unknown_settings: tuple[UnknownSetting, ...] = ()
    database_problem: str = ""
    """Why the database cannot be used."""
    signs_messages: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One view of everything that the checks examine."""

    address: Address
    latency_s: float = 0.0
    """The shortest of several round trips."""
    info: Mapping[str, Setting] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    queues: tuple[WaitingQueue, ...] = ()
    workers: tuple[WorkerFacts, ...] = ()
    platform: PlatformFacts = PlatformFacts()
    missing: Mapping[Part, str] = field(default_factory=dict)
    """Parts that could not be read, with the reason."""


def is_loopback(address: Address) -> bool:
    """Whether the broker is reached from this machine alone."""
    match address.place:
        case Endpoint(host=host):
            return is_loopback_host(host)
        case Sentinels():
            return False
        case _:
            return True


def is_loopback_host(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
