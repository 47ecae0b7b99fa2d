"""The options of `celeriac up`."""

import sys
from dataclasses import dataclass
from pathlib import Path

OWN_CELERY_APP = "app.celery_app"
DEFAULT_COOLDOWN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """All options of `celeriac up`. Addresses of servers come from the environment: if
    CELERY_BROKER_URL or DATABASE_URL is set, no embedded server replaces them."""

    data_dir: Path = Path(".celeriac")
    """Holds everything that outlives a run: broker, database, files, logs."""
    host: str = "127.0.0.1"
    port: int = 8000
    """Where the API listens; with 0 the system chooses."""
    is_api_only: bool = False
    """Start broker, database and API only, without beat and pools."""
    is_reloading: bool = False
    """Restart the API, beat and workers when code changes; running tasks finish first."""
    celery_app: str = OWN_CELERY_APP
    """The argument of `celery -A`: any Celery application that can be imported."""
    python: Path = Path(sys.executable)
    """The interpreter whose environment holds the Celery application, and its release of Celery."""
    pool_files: tuple[Path, ...] = ()
    """WorkerPool manifests that replace the default of a pool for each queue."""
    cooldown_s: float | None = None
    """How long a pool keeps its last worker when there is nothing to do (default: the manifest's
    value, else `DEFAULT_COOLDOWN_S`)."""
    max_workers: int | None = None
    """Maximum number of worker processes over all pools (default: four per processor). Every pool
    may have one regardless."""
    stop_grace_s: float = 10.0
    """How long running tasks may continue after Ctrl-C, before their messages are returned."""
    event_exchange: str = "celeryev"
    """Celery's `event_exchange`, for pools whose manifest does not name one."""
    control_exchange: str = "celery"
    """Celery's `control_exchange`, for pools whose manifest does not name one."""
    log_level: str = "info"
