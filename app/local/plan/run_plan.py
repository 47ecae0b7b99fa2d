"""Makes the plan of a run from options and environment."""

import errno
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.broker.connections import address as addresses
from app.broker.connections.address import Address, SentinelEntry
from app.broker.redis_keys import CELERY_EXCHANGES, Exchanges
from app.errors import CeleriacError, InvalidInput
from app.local import valkey
from app.local.data_dir import DataDir
from app.local.options import DEFAULT_COOLDOWN_S, OWN_CELERY_APP, UpOptions
from app.local.plan import local_pools, manifests
from app.local.plan.local_pools import LocalPool
from app.pipelines import registry
from app.settings import BrokerSettings, PipelineSettings
from app.worker import processors

ROOT = Path(__file__).parents[3]
"""The folder that contains our package."""

WORKERS_PER_PROCESSOR = 4
"""Workers mostly wait: for the network, for a child such as ffmpeg, or for work."""

_BROKER = "broker"
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""The loopback address of a server that listens on all addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAddress:
    """Where the API listens."""

    host: str
    port: int

    @property
    def loopback(self) -> str:
        """The host under which this machine reaches it."""
        return _LOOPBACK_OF.get(self.host, self.host)

    @property
    def url(self) -> str:
        host = self.loopback
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedBroker:
    """The embedded broker."""

    program: Path
    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{valkey.HOST}:{self.port}/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """Everything that is decided before the first process starts."""

    data_dir: DataDir
    broker: Address
    embedded: EmbeddedBroker | None
    """The embedded broker; `None` if the user has named one."""
    api: ApiAddress | None
    """`None` for another Celery application, which has neither our API nor our tables."""
    has_workers: bool
    pools: tuple[LocalPool, ...] | None
    """`None` if they follow from the queues of the application, once it is imported."""
    notes: tuple[str, ...]
    """Notes on the pools for the user."""
    python: Path
    max_workers: int
    environment: Mapping[str, str]
    modules: tuple[str, ...]
    """Modules that the zygote imports before the Celery application."""
    watched: tuple[Path, ...]
    """Folders to watch for changes of code."""
    exchanges: Exchanges = CELERY_EXCHANGES
    """Default for pools whose manifest does not name exchanges."""


def build_plan(options: UpOptions, *, data_dir: DataDir, environ: Mapping[str, str]) -> RunPlan:
    """Choose ports, addresses and pools.

    Raises:
        CeleriacError: a port is taken, a pool file is invalid, a broker URL cannot be read.
    """
    is_own = options.celery_app == OWN_CELERY_APP
    python = _python(options, is_own=is_own)
    found, notes = chosen_pools(options)
    api = (
        ApiAddress(host=options.host, port=claim_port(options.host, options.port))
        if is_own
        else None
    )
    given_url = given_broker_url(environ)
    embedded = _embedded(data_dir) if given_url is None else None
    broker_url = embedded.url if embedded is not None else given_url or ""
    sentinel = _sentinel(found or ())
    return RunPlan(
        data_dir=data_dir,
        broker=addresses.parse_address(broker_url, sentinel=sentinel),
        embedded=embedded,
        api=api,
        has_workers=not options.is_api_only,
        pools=found,
        notes=notes,
        python=python,
        max_workers=options.max_workers or WORKERS_PER_PROCESSOR * processors.processor_count(),
        environment=child_environment(
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
    """The Sentinels of the settings. The default of the master set is the one in the manifests."""
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


def _embedded(data_dir: DataDir) -> EmbeddedBroker:
    """Prefer the port of the last run, which other processes may use."""
    program = valkey.binary()
    port = free_port(valkey.HOST, preferred=data_dir.remembered().get(_BROKER))
    data_dir.remember({_BROKER: port})
    return EmbeddedBroker(program=program, port=port, password=data_dir.broker_password())


def application_pools(options: UpOptions, queues: Sequence[str]) -> tuple[LocalPool, ...]:
    """The pools of an application with these queues, for which no manifest is given."""
    return tuple(local_pools.application_pools(queues, cooldown_s=_cooldown_s(options)))


def chosen_pools(options: UpOptions) -> tuple[tuple[LocalPool, ...] | None, tuple[str, ...]]:
    """The pools and notes for the user. `None`: they follow from the application's queues.

    Raises:
        InvalidInput: a pool file is invalid.
        RegistryError: a pipeline of `CELERIAC_PIPELINES` is invalid.
    """
    if options.is_api_only:
        return (), ()
    if options.pool_files:
        return _pools_of_files(options)
    if options.celery_app != OWN_CELERY_APP:
        return None, ()
    declared = local_pools.declared_pools(
        registry.queues_with(PipelineSettings().modules).values(),
        processors=processors.processor_count(),
        cooldown_s=_cooldown_s(options),
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
    """The interpreter for the Celery application. A folder means a virtual environment.

    Raises:
        InvalidInput: there is none, or another one is given for our own application.
    """
    given = options.python
    python = given / "bin" / "python" if given.is_dir() else given
    if not os.access(python, os.X_OK):
        raise InvalidInput(f"{given} is neither a Python interpreter nor a virtual environment")
    if is_own and python != Path(sys.executable):
        raise InvalidInput("--python is for another Celery application: name it with --app")
    return python.absolute()


def _watched(*, is_own: bool) -> tuple[Path, ...]:
    ours = (ROOT / "app",) if is_own else ()
    return (*ours, Path.cwd())


def given_broker_url(environment: Mapping[str, str]) -> str | None:
    """The broker that the user has named, as in `settings.BrokerSettings`."""
    return environment.get("CELERY_BROKER_URL") or environment.get("REDIS_URL") or None


def child_environment(
    environment: Mapping[str, str],
    *,
    data_dir: DataDir,
    broker_url: str,
    sentinel_master: str = "",
    api_url: str | None,
) -> dict[str, str]:
    """The environment of child processes: ours, with paths in the data folder as defaults.

    Without an API it is for another application, which only gets the broker.
    """
    always = {"CELERY_BROKER_URL": broker_url, "PYTHONUNBUFFERED": "1"}
    if sentinel_master:
        always["CELERIAC_SENTINEL_MASTER"] = sentinel_master
    if api_url is None:
        return {**environment, **always}
    defaults = {
        "DATABASE_URL": f"sqlite:///{data_dir.database}",
        "TEMP_DIR": str(data_dir.temp),
        "STORAGE_DIR": str(data_dir.storage),
        "CACHE_DIR": str(data_dir.cache),
        "CELERIAC_URL": api_url,
        "CELERIAC_MESSAGE_KEYS": data_dir.message_key(),
        # Tasks have already had their grace period when a worker gets SIGQUIT.
        "CELERIAC_SOFT_SHUTDOWN_S": "0",
    }
    return {**defaults, **environment, **always}


def is_free_port(host: str, port: int) -> bool:
    """Whether a server could listen on the port now."""
    try:
        _bind(host, port)
    except OSError:
        return False
    return True


def free_port(host: str, *, preferred: int | None = None) -> int:
    """The preferred port if it is free, else one of the system's choice."""
    if preferred is not None and is_free_port(host, preferred):
        return preferred
    return _bind(host, 0)


def claim_port(host: str, port: int) -> int:
    """The port, or one of the system's choice for 0.

    Raises:
        CeleriacError: the port is taken or not permitted; the message says what to do.
    """
    try:
        return _bind(host, port)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            way_out = "stop what listens there, or choose another one with --port"
            raise CeleriacError(f"port {port} on {host} is taken: {way_out}") from exc
        raise CeleriacError(f"cannot listen on {host}:{port}: {exc.strerror or exc}") from exc


def _bind(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        bound: int = server.getsockname()[1]
        return bound
