"""What the user of `celeriac up` chooses."""

import sys
from dataclasses import dataclass
from pathlib import Path

OWN_CELERY_APP = "app.celery_app"
DEFAULT_COOLDOWN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """Everything that `celeriac up` can be told. Addresses of servers come from the environment:
    with CELERY_BROKER_URL or DATABASE_URL set, no server of our own is started in their place."""

    data_dir: Path = Path(".celeriac")
    """Holds all that outlives a run: broker, database, files, logs."""
    host: str = "127.0.0.1"
    port: int = 8000
    """Where the API listens; 0 lets the system choose."""
    is_api_only: bool = False
    """Broker, database and API; no beat and no pools."""
    is_reloading: bool = False
    """Start the API, beat and workers again when code changes; running tasks finish first."""
    celery_app: str = OWN_CELERY_APP
    """What `celery -A` gets: any Celery application that can be imported."""
    python: Path = Path(sys.executable)
    """The interpreter whose environment holds the Celery application, and its release of Celery."""
    pool_files: tuple[Path, ...] = ()
    """WorkerPool manifests in place of a pool for each queue of the application."""
    cooldown_s: float | None = None
    """How long a pool keeps its last worker when there is nothing to do. When not given:
    what a manifest says, else `DEFAULT_COOLDOWN_S`."""
    max_workers: int | None = None
    """Worker processes at once over all pools. Every pool may have one, whatever this says.
    When not given: four for each processor."""
    stop_grace_s: float = 10.0
    """How long running tasks may go on after Ctrl-C. Then their messages go back to the queues."""
    event_exchange: str = "celeryev"
    """The `event_exchange` of the Celery application, for pools whose manifest does not name it."""
    control_exchange: str = "celery"
    """Its `control_exchange`, in the same way."""
    log_level: str = "info"
