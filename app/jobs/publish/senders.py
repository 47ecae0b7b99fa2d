"""Ways to start tasks: a message through the broker, in its turn where owners share a queue, or a
call in this process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import local
from typing import Any, Protocol

from celery import Celery
from kombu.connection import Connection
from kombu.exceptions import KombuError, OperationalError
from kombu.messaging import Producer
from kombu.transport import virtual
from kombu.utils.json import dumps
from redis.exceptions import RedisError

from app.broker.connections import connection
from app.broker.queues.fair_queues import FairMessage, FairQueues, Share
from app.jobs.model.job import JsonObject

BATCH = 500

FAIR_HEADER = "celeriac_fair"
"""Marks a message that took its turn: whoever receives it moves the next one."""


LIMITED_HEADER = "celeriac_limited"
"""The owner of a message, if its number of running jobs is limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCall:
    """A task as Celery calls it. One for a ticket has no arguments: the worker reads them from the
    job's row."""

    task: str
    args: Sequence[Any]  # JSON values
    kwargs: JsonObject
    options: dict[str, Any]  # of several types
    has_ticket: bool = False
    owner: str | None = None
    """Of the job whose stage it is. None for what does not wait for a turn."""


class Sender(Protocol):
    """Starts tasks. Raises BrokerUnreachable."""

    def send(self, calls: Sequence[TaskCall]) -> None: ...


class BrokerSender:
    """Publishes a message for each call, many in few round trips."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def send(self, calls: Sequence[TaskCall]) -> None:
        """When it raises, some of many may have been published: a second message has no effect."""
        with _translated(self._celery):
            if len(calls) == 1:
                self._send(calls[0])
                return
            with self._celery.producer_pool.acquire(block=True) as producer, producer.batch(BATCH):
                for call in calls:
                    self._send(call, producer=producer)

    def _send(self, call: TaskCall, *, producer: Any = None) -> None:  # kombu's, without types
        self._celery.send_task(call.task, call.args, call.kwargs, producer=producer, **call.options)


class FairSender:
    """Publishes the stages of jobs in turn between the owners of a queue, and other calls at
    once."""

    def __init__(
        self, celery: Celery, queues: FairQueues, *, share_of: Callable[[str], Share]
    ) -> None:
        self._celery = celery
        self._queues = queues
        self._share_of = share_of
        self._others = BrokerSender(celery)
        self._written = _Written()

    def send(self, calls: Sequence[TaskCall]) -> None:
        """As `BrokerSender.send`."""
        fair = [self._message(call, call.owner) for call in calls if call.owner is not None]
        if fair:
            self._queues.add(fair)
        others = [call for call in calls if call.owner is None]
        if others:
            self._others.send(others)

    def _message(self, call: TaskCall, owner: str) -> FairMessage:
        options = call.options
        share = self._share_of(owner)
        limited = {} if share.most_running is None else {LIMITED_HEADER: owner}
        headers = {**options["headers"], FAIR_HEADER: True, **limited}
        self._celery.send_task(
            call.task,
            call.args,
            call.kwargs,
            producer=self._written.producer,
            **{**options, "headers": headers},
        )
        return FairMessage(
            queue=options["queue"],
            share=share,
            priority=options["priority"],
            body=dumps(self._written.take()),
        )


class _Written(local):
    """What kombu would send, message by message; each thread has its own."""

    def __init__(self) -> None:
        self._channel = Connection(transport=_Transport).channel()
        self.producer = Producer(self._channel, auto_declare=False)

    def take(self) -> Any:
        """The last message, as kombu's virtual transports have it."""
        return self._channel.messages.pop()


class _Channel(virtual.Channel):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # kombu has no types
        self.messages: list[Any] = []

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        self.messages.append(message)


class _Transport(virtual.Transport):
    Channel = _Channel
    driver_type = driver_name = "written"


class EagerSender:
    """Runs each call at once, in this thread (`CELERY_TASK_ALWAYS_EAGER`); tasks that only another
    application has are published."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def send(self, calls: Sequence[TaskCall]) -> None:
        """Run them, one after the other."""
        self._celery.loader.import_default_modules()
        for call in calls:
            if call.task in self._celery.tasks:
                self._run(self._celery.tasks[call.task], call)
            else:
                with _translated(self._celery):
                    self._celery.send_task(call.task, call.args, call.kwargs, **call.options)

    @staticmethod
    def _run(task: Any, call: TaskCall) -> None:  # Celery's, without types
        if call.has_ticket:  # `apply_async` would miss the arguments
            task.apply(call.args, call.kwargs, **call.options)
        else:
            task.apply_async(call.args, call.kwargs, **call.options)


@contextmanager
def _translated(celery: Celery) -> Iterator[None]:
    try:
        yield
    except (OperationalError, KombuError, RedisError, OSError) as error:
        host = celery.connection_for_write().as_uri()  # without its password
        raise connection.translated(error, host=host) from error
