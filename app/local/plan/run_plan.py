"""What a run consists of, settled from options and environment before anything starts."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.broker.connections import address as addresses
from app.broker.connections.address import Address, SentinelEntry
from app.broker.keys import CELERY_EXCHANGES, Exchanges
from app.errors import InvalidInput
from app.local import valkey
from app.local.data_dir import DataDir
from app.local.options import DEFAULT_COOLDOWN_S, OWN_CELERY_APP, UpOptions
from app.local.plan import environment, local_pools, manifests, ports
from app.local.plan.local_pools import LocalPool
from app.settings import BrokerSettings

WORKERS_PER_PROCESSOR = 4
"""Most of a worker's time is waiting: for the network, for a child such as ffmpeg, or for work."""

_BROKER = "broker"
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a server that listens everywhere is found on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Where the API listens."""

    host: str
    port: int

    @property
    def loopback(self) -> str:
        """Where this machine finds it."""
        return _LOOPBACK_OF.get(self.host, self.host)

    @property
    def url(self) -> str:
        host = self.loopback
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Our own broker."""

    program: Path
    port: int

    @property
    def url(self) -> str:
        return f"redis://{valkey.HOST}:{self.port}/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that is settled before the first process starts."""

    data_dir: DataDir
    broker: Address
    embedded: Embedded | None
    """Our own broker; `None` when the user has given one."""
    api: Api | None
    """`None` for somebody else's Celery application, which has neither our API nor our tables."""
    has_workers: bool
    pools: tuple[LocalPool, ...] | None
    """`None` where only the application knows its queues, once it is imported."""
    notes: tuple[str, ...]
    """What the user should know of the pools."""
    python: Path
    max_workers: int
    environment: Mapping[str, str]
    modules: tuple[str, ...]
    """What the zygote imports before it looks for the Celery application."""
    watched: tuple[Path, ...]
    """Folders whose code is watched for changes."""
    exchanges: Exchanges = CELERY_EXCHANGES
    """Of pools whose manifest does not name others."""


def build_plan(options: UpOptions, *, data_dir: DataDir, environ: Mapping[str, str]) -> Plan:
    """Choose ports, addresses and pools.

    Raises:
        CeleriacError: a port is taken, a pool file is wrong, a broker URL cannot be read.
    """
    is_own = options.celery_app == OWN_CELERY_APP
    python = _python(options, is_own=is_own)
    found, notes = chosen_pools(options)
    api = Api(host=options.host, port=ports.claim(options.host, options.port)) if is_own else None
    given_url = environment.given_broker_url(environ)
    embedded = _embedded(data_dir) if given_url is None else None
    broker_url = embedded.url if embedded is not None else given_url or ""
    sentinel = _sentinel(found or ())
    return Plan(
        data_dir=data_dir,
        broker=addresses.parse_address(broker_url, sentinel=sentinel),
        embedded=embedded,
        api=api,
        has_workers=not options.is_api_only,
        pools=found,
        notes=notes,
        python=python,
        max_workers=options.max_workers or WORKERS_PER_PROCESSOR * local_pools.processor_count(),
        environment=environment.children(
            environ,
            data_dir=data_dir,
            broker_url=broker_url,
            sentinel_master=sentinel.master_name,
            api_url=api.url if api else None,
        ),
        modules=(OWN_CELERY_APP,) if is_own else (),
        watched=_watched(is_own=is_own) if options.is_reloading else (),
        exchanges=Exchanges(events=options.event_exchange, control=options.control_exchange),
    )


def _sentinel(found: Sequence[LocalPool]) -> SentinelEntry:
    """What the settings say, and the master set that manifests name where those name none."""
    given = addresses.sentinel_entry_of(BrokerSettings())
    named = {pool.pool.spec.broker.master_name for pool in found} - {""}
    if given.master_name:
        named = {given.master_name}
    if len(named) > 1:
        raise InvalidInput(
            "the pools of this machine share a broker, and name the master sets "
            f"{', '.join(sorted(named))}: set CELERIAC_SENTINEL_MASTER to the one that is meant"
        )
    return replace(given, master_name="".join(named))


def _embedded(data_dir: DataDir) -> Embedded:
    """At the port of last time, where it is still free: other processes may know it."""
    program = valkey.binary()
    port = ports.free_port(valkey.HOST, preferred=data_dir.remembered().get(_BROKER))
    data_dir.remember({_BROKER: port})
    return Embedded(program=program, port=port)


def application_pools(options: UpOptions, queues: Sequence[str]) -> tuple[LocalPool, ...]:
    """The pools of an application with these queues, for which no manifest is given."""
    return tuple(local_pools.application_pools(queues, cooldown_s=_cooldown_s(options)))


def chosen_pools(options: UpOptions) -> tuple[tuple[LocalPool, ...] | None, tuple[str, ...]]:
    """The pools, `None` where only the application knows them, and what to tell of them.

    Raises:
        InvalidInput: a pool file is wrong.
    """
    if options.is_api_only:
        return (), ()
    if options.pool_files:
        return _pools_of_files(options)
    if options.celery_app != OWN_CELERY_APP:
        return None, ()
    declared = local_pools.declared_pools(
        processors=local_pools.processor_count(), cooldown_s=_cooldown_s(options)
    )
    return tuple(declared), ()


def _pools_of_files(options: UpOptions) -> tuple[tuple[LocalPool, ...], tuple[str, ...]]:
    read = {path: manifests.load(path) for path in options.pool_files}
    found = [pool for one in read.values() for pool in one.pools]
    local_pools.check_names(found)
    if options.cooldown_s is not None:
        found = [local_pools.with_cooldown(pool, options.cooldown_s) for pool in found]
    notes = [
        f"{path} also holds {', '.join(one.left_out)}: left out, only WorkerPools count here"
        for path, one in read.items()
        if one.left_out
    ]
    return tuple(found), tuple(notes)


def _cooldown_s(options: UpOptions) -> float:
    return DEFAULT_COOLDOWN_S if options.cooldown_s is None else options.cooldown_s


def _python(options: UpOptions, *, is_own: bool) -> Path:
    """The interpreter for the Celery application. A folder stands for a virtual environment.

    Raises:
        InvalidInput: there is none, or our own application would run by another one.
    """
    given = options.python
    python = given / "bin" / "python" if given.is_dir() else given
    if not os.access(python, os.X_OK):
        raise InvalidInput(f"{given} is neither a Python interpreter nor a virtual environment")
    if is_own and python != Path(sys.executable):
        raise InvalidInput("--python is for another Celery application: name it with --app")
    return python.absolute()


def _watched(*, is_own: bool) -> tuple[Path, ...]:
    ours = (environment.ROOT / "app",) if is_own else ()
    return (*ours, Path.cwd())
