"""How a worker with a certain pool class is started: forked, or as a fresh process."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FORKED = frozenset({"prefork", "processes", "threads", "solo"})
"""Pool classes that do no harm in a copy of a process that has imported the application."""
GREEN = frozenset({"gevent", "eventlet"})
"""They replace parts of the standard library, before anything else is imported."""
CUSTOM = "custom"
"""Celery's name for the class that CELERY_CUSTOM_WORKER_POOL names (Celery 5.3 and newer)."""
CUSTOM_POOL = "CELERY_CUSTOM_WORKER_POOL"
DEFAULT = "prefork"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStart:
    """What `celery worker` is given for a pool class."""

    name: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    is_forked: bool


def is_pool(name: str) -> bool:
    """Whether Celery could have a pool class of this name: one of its own, or a dotted path.

    >>> [is_pool(name) for name in ("threads", "shop.pools:Pool", "shop.pools.Pool", "thread")]
    [True, True, True, False]
    """
    return name in FORKED | GREEN | {CUSTOM} or "." in name.strip(".:") or ":" in name.strip(".:")


def build_start(wanted: str | None, *, application_pool: str) -> PoolStart:
    """The start of a pool that the manifest names, or that the application's configuration does.

    Celery takes the application's class where its command line says prefork, which is its default:
    a manifest's own prefork is passed by its other name.

    >>> build_start(None, application_pool="gevent").arguments
    ('--pool', 'gevent')
    >>> build_start("prefork", application_pool="gevent").arguments
    ('--pool', 'processes')
    """
    name = wanted or application_pool
    if name in FORKED:
        is_overridden = name == DEFAULT and application_pool != DEFAULT
        given = "processes" if is_overridden else name
        return PoolStart(name=name, arguments=("--pool", given), is_forked=True)
    if name in GREEN or name == CUSTOM:
        return PoolStart(name=name, arguments=("--pool", name), is_forked=False)
    if wanted is None:  # Celery itself takes it from the configuration, also before 5.3
        return PoolStart(name=name, is_forked=False)
    return PoolStart(
        name=name,
        arguments=("--pool", CUSTOM),
        environment={CUSTOM_POOL: name},
        is_forked=False,
    )
