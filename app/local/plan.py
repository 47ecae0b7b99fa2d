"""What a run consists of, settled from options and environment before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.broker import address as addresses
from app.local import environment, pools, ports, valkey
from app.local.data_dir import DataDir
from app.local.options import OWN_CELERY_APP, UpOptions
from app.local.pools import LocalPool

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
    broker_url: str
    embedded: Embedded | None
    """Our own broker; `None` when the user has given one."""
    api: Api | None
    """`None` for somebody else's Celery application, which has neither our API nor our tables."""
    has_workers: bool
    pools: tuple[LocalPool, ...]
    max_workers: int
    environment: Mapping[str, str]
    modules: tuple[str, ...]
    """What the zygote imports before it looks for the Celery application."""
    watched: tuple[Path, ...]
    """Folders whose code is watched for changes."""


def build_plan(options: UpOptions, *, data_dir: DataDir, environ: Mapping[str, str]) -> Plan:
    """Choose ports, addresses and pools.

    Raises:
        CeleriacError: a port is taken, a pool file is wrong, a broker URL cannot be read.
    """
    is_own = options.celery_app == OWN_CELERY_APP
    api = Api(host=options.host, port=ports.claim(options.host, options.port)) if is_own else None
    given_url = environment.given_broker_url(environ)
    embedded = _embedded(data_dir) if given_url is None else None
    broker_url = embedded.url if embedded is not None else given_url or ""
    addresses.parse_address(broker_url)
    return Plan(
        data_dir=data_dir,
        broker_url=broker_url,
        embedded=embedded,
        api=api,
        has_workers=not options.is_api_only,
        pools=() if options.is_api_only else _pools(options),
        max_workers=options.max_workers or WORKERS_PER_PROCESSOR * pools.processor_count(),
        environment=environment.children(
            environ, data_dir=data_dir, broker_url=broker_url, api_url=api.url if api else None
        ),
        modules=(OWN_CELERY_APP,) if is_own else (),
        watched=_watched(is_own=is_own) if options.is_reloading else (),
    )


def _embedded(data_dir: DataDir) -> Embedded:
    """At the port of last time, where it is still free: other processes may know it."""
    program = valkey.binary()
    port = ports.free_port(valkey.HOST, preferred=data_dir.remembered().get(_BROKER))
    data_dir.remember({_BROKER: port})
    return Embedded(program=program, port=port)


def _pools(options: UpOptions) -> tuple[LocalPool, ...]:
    if not options.pool_files:
        found = pools.declared_pools(
            processors=pools.processor_count(), cooldown_s=options.cooldown_s
        )
    else:
        found = [pool for path in options.pool_files for pool in pools.load_pools(path)]
    pools.check_names(found)
    return tuple(found)


def _watched(*, is_own: bool) -> tuple[Path, ...]:
    ours = (environment.ROOT / "app",) if is_own else ()
    return (*ours, Path.cwd())
