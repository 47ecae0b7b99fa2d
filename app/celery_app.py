"""The Celery application: `celery -A app.celery_app worker`. Composition, and nothing else.

Why each setting is as it is stands beside it; the measurements behind them are those of field
tests with Celery 5.7 on Redis.
"""

import time
from functools import cache
from typing import Any

import click
from celery import Celery
from celery.result import AsyncResult
from kombu.entity import Exchange, Queue

from app.errors import CeleriacError
from app.jobs.celery import connections, hooks, task
from app.jobs.model import time_limits
from app.jobs.model.clock import Clock
from app.jobs.model.pipeline import Registry
from app.jobs.platform import Platform
from app.pipelines import registry as pipelines
from app.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE
from app.settings import BrokerSettings, Settings, WorkerSettings
from app.telemetry import logs
from app.telemetry.logs import LogFormat
from app.worker import celery_hooks

Conf = dict[str, Any]  # settings of several types

KIBIBYTE = 1024


PUBLISHED_AT_HEADER = "celeriac_published_at"
"""When a message was published, in seconds since the epoch: how long a queue's oldest one waits."""


class StampingCelery(Celery):  # type: ignore[misc]  # Celery has no types
    """Celery whose messages carry the time of their publication. (Its signal `before_task_publish`
    does not say which application publishes, and would stamp those of others too.)"""

    amqp_cls = "app.jobs.celery.signed_messages:SigningAMQP"

    def send_task(
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        *more: Any,
        headers: Conf | None = None,
        **options: Any,
    ) -> AsyncResult:
        """As Celery's own."""
        stamped = {**(headers or {}), PUBLISHED_AT_HEADER: round(time.time(), 3)}
        return super().send_task(name, args, kwargs, *more, headers=stamped, **options)


def create(settings: Settings, registry: Registry, *, clock: Clock | None = None) -> Celery:
    """An application whose workers run the registry's stages; `platform.of` finds its platform.

    Raises InvalidInput for a broker that jobs can not live on.
    """
    logs.hush_requests()  # here, as every worker, beat and API makes an application
    logs.hide_payloads()
    application = StampingCelery("celeriac")
    application.conf.update(
        **connections.settings_of(settings.broker),
        **_messages(settings.broker),
        **_routes(registry, settings.worker),
        **_workers(settings.worker),
    )
    platform = Platform.open(settings=settings, registry=registry, celery=application, clock=clock)
    _ = platform.schedules  # invalid ones stop every process at its start
    task.register(application, registry)
    hooks.connect(application, platform)
    if settings.worker.log_format is not None:
        celery_hooks.connect_logging(LogFormat(settings.worker.log_format))
    if settings.worker.liveness_file is not None:
        application.steps["worker"].add(celery_hooks.liveness_step(settings.worker.liveness_file))
    return application


@cache
def from_environment() -> Celery:
    """The application of this process."""
    settings = Settings()
    settings.check()  # invalid ones are reported now, and not by the first task that needs them
    return create(settings, pipelines.discover(settings.pipelines.modules))


def __getattr__(name: str) -> Celery:
    """`app` and `celery`, where Celery's command line expects them, and `celery_app`, the usual
    name to import it by; made on first access."""
    if name not in ("app", "celery", "celery_app"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return from_environment()
    except CeleriacError as error:
        if click.get_current_context(silent=True) is not None:  # `celery -A app.celery_app ...`
            raise SystemExit(f"celeriac: {error}") from error
        raise


def _messages(broker: BrokerSettings) -> Conf:
    return {
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "enable_utc": True,
        "timezone": "UTC",
        "result_expires": broker.result_expires_s,
        "task_always_eager": broker.always_eager,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_default_priority": DEFAULT_PRIORITY,
        "task_send_sent_event": False,  # full task events cost half of the throughput
        "worker_send_task_events": False,
    }


def _routes(registry: Registry, worker: WorkerSettings) -> Conf:
    return {
        "imports": registry.tasks_modules,
        "task_queues": [_queue(name) for name in registry.queues],
        "task_default_queue": DEFAULT_QUEUE.name,
        "task_create_missing_queues": True,
        "task_routes": registry.task_routes,
        "task_annotations": {
            task: _limits(route["queue"], registry, worker)
            for task, route in registry.task_routes.items()
        },
    }


def _limits(queue: str, registry: Registry, worker: WorkerSettings) -> Conf:
    """What Celery enforces in processes. In threads it cannot: there the lease renewal does."""
    limits = time_limits.of_queue(queue, queues=registry.queues, settings=worker.time_limits)
    return {"soft_time_limit": limits.soft_s, "time_limit": limits.hard_s}


def _queue(name: str) -> Queue:
    """On the default exchange, whose routing keys are names of queues: no binding in Redis that
    could be lost with it."""
    return Queue(name, Exchange(""), routing_key=name)


def _workers(worker: WorkerSettings) -> Conf:
    return {
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,  # a message that no slot is free for stays in the queue
        "worker_eta_task_limit": worker.eta_task_limit,
        "worker_consumer": "app.jobs.celery.consumer:Consumer",
        "worker_soft_shutdown_timeout": worker.soft_shutdown_s,
        "worker_max_memory_per_child": worker.child_memory_limit_bytes // KIBIBYTE,
        # False: a job's fence keeps a second run out, so that an outage of Redis need not end
        # work that is under way.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": True,
    }
