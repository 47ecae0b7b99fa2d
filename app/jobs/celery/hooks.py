"""What our processes do at the turning points of Celery's own."""

import importlib
import logging
from collections.abc import Iterable
from typing import Any

from celery import Celery, concurrency, signals
from celery.concurrency import prefork
from celery.worker import state as worker_state

from app.jobs.platform import Platform
from app.worker.sandbox import policy

logger = logging.getLogger(__name__)


def connect(celery: Celery, platform: Platform) -> None:
    """Connect the platform to the signals of its application."""

    def on_beat(sender: Any = None, **_: Any) -> None:
        if sender.app is celery:
            # Imported here, while there is one thread: beat and the reconciler both ask for it.
            _ = celery.backend
            platform.start_beat_threads()

    def on_worker_start(sender: Any = None, **_: Any) -> None:
        if sender.app is celery:
            platform.slots = _slots(sender)
            if not _forks(sender):
                of_stages = platform.registry.imports_of(sender.app.amqp.queues.consume_from)
                preload((*of_stages, *platform.driver_modules))

    def on_worker_end(sender: Any = None, **_: Any) -> None:
        if sender.app is celery:
            give_back(platform)

    signals.beat_init.connect(on_beat, weak=False)
    signals.worker_init.connect(on_worker_start, weak=False)  # before its processes are forked
    _log_sandbox(celery, platform)
    signals.worker_shutdown.connect(on_worker_end, weak=False)


def _log_sandbox(celery: Celery, platform: Platform) -> None:
    """Let each worker log at its start how its children are confined."""

    def on_worker_ready(sender: Any = None, **_: Any) -> None:
        if sender.app is celery:  # its log is set up now
            policy.log_state(platform.settings.worker.sandbox)

    signals.worker_ready.connect(on_worker_ready, weak=False)


def preload(names: Iterable[str]) -> None:
    """Import what tasks will import, modules and what is in them, while there is one thread. The
    task that needs what is not installed will report it."""
    for name in names:
        module, _, member = name.rpartition(".")
        try:
            if not module or not hasattr(importlib.import_module(module), member):
                importlib.import_module(name)
        except ImportError as error:
            logger.warning(
                "a module of tasks is not imported",
                extra={"module_name": name, "reason": str(error)},
            )


def _forks(worker: Any) -> bool:  # Celery's
    """Whether its tasks run in processes of their own, which import for themselves."""
    return concurrency.get_implementation(worker.pool_cls) is prefork.TaskPool


def _slots(worker: Any) -> int:  # Celery's
    """How many tasks it will run at once, at most."""
    most = getattr(worker, "max_concurrency", None) or worker.concurrency
    return most if isinstance(most, int) else 1  # "auto" is resolved later


def give_back(platform: Platform) -> None:
    """Queue the jobs again that this worker leaves unfinished, so that none waits for its lease."""
    active = tuple(worker_state.active_requests)
    own = (getattr(request, "own", None) for request in active)  # of a StageRequest
    platform.runner.give_back(tuple(ticket for ticket in own if ticket is not None))
