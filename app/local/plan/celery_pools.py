"""How to start a worker with a given Celery pool class: forked, or as a fresh process."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FORKED = frozenset({"prefork", "processes", "threads", "solo"})
"""Pool classes that work in a fork of a process that has imported the application."""
GREEN = frozenset({"gevent", "eventlet"})
"""Pool classes that patch the standard library before anything else is imported."""
CUSTOM = "custom"
"""Celery's name for the class in CELERY_CUSTOM_WORKER_POOL (Celery 5.3 and newer)."""
CUSTOM_POOL = "CELERY_CUSTOM_WORKER_POOL"
DEFAULT = "prefork"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStart:
    """Arguments and environment of `celery worker` for a pool class."""

    name: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    is_forked: bool


def is_pool(name: str) -> bool:
    """Whether this is the name of a pool class: one of Celery's, or a dotted path.

    >>> [is_pool(name) for name in ("threads", "shop.pools:Pool", "shop.pools.Pool", "thread")]
    [True, True, True, False]
    """
    return name in FORKED | GREEN | {CUSTOM} or "." in name.strip(".:") or ":" in name.strip(".:")


def build_start(wanted: str | None, *, application_pool: str) -> PoolStart:
    """How to start the pool class of the manifest, else the one in the application's configuration.

    Celery treats prefork, the default of its command line, as "not given" and uses the
    application's class. So a manifest's prefork is passed under its other name.

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
    if wanted is None:  # Celery reads it from the configuration, also before 5.3
        return PoolStart(name=name, is_forked=False)
    return PoolStart(
        name=name,
        arguments=("--pool", CUSTOM),
        environment={CUSTOM_POOL: name},
        is_forked=False,
    )
