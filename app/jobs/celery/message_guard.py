"""Guards a worker's connection: what cannot be run is refused before Celery sees it.

A message that is refused here is gone, as after an acknowledgement: it has left its queue, and was
not yet recorded as delivered.
"""

from collections.abc import Callable, Collection
from queue import Empty
from typing import Any

from celery.worker import state as worker_state

from app.errors import CeleriacError, InvalidInput, NotAuthentic
from app.jobs.celery import received_message
from app.jobs.celery.received_message import ReceivedMessage
from app.jobs.model import ticket
from app.jobs.model.signing import MessageSigner
from app.jobs.publish.refusals import MessageRefusal, Refusals

PURPOSE = "message"
"""Of the signature over a plain message."""

Raw = Any  # a message whose JSON is parsed, whatever it is


class PlainTaskRefused(CeleriacError):
    """A plain task without a signature, where only signed ones are accepted."""


class MessageGuard:
    """Decides which messages a worker takes."""

    def __init__(
        self,
        *,
        accept: Collection[str],
        signer: MessageSigner,
        refuses_plain: bool,
        refusals: Refusals,
    ) -> None:
        self._accept = accept
        self._signer = signer
        self._refuses_plain = refuses_plain
        self._refusals = refusals

    def admits(self, raw: Raw, queue: str) -> bool:
        """Whether Celery may see the message. One that it may not see is reported."""
        try:
            message = received_message.parse(raw, accept=self._accept)
        except InvalidInput as error:
            self._refusals.refuse(MessageRefusal.MALFORMED, str(error), queue=queue)
            return False
        about = {"queue": queue, "task": message.task, "task_id": message.task_id}
        try:
            self._check_origin(message)
        except NotAuthentic as error:
            self._refusals.refuse(MessageRefusal.UNSIGNED, str(error), **about)
            return False
        except PlainTaskRefused as error:
            self._refusals.refuse(MessageRefusal.PLAIN, str(error), **about)
            return False
        return True

    def refuse_unreadable(self, queue: str | None = None) -> None:
        """Report a message that is not even JSON."""
        self._refusals.refuse(MessageRefusal.MALFORMED, "it is not JSON", queue=queue)

    def refuse_failed(self, error: Exception, queue: str) -> None:
        """Report a message that Celery failed to start."""
        self._refusals.refuse(MessageRefusal.FAILED, type(error).__name__, queue=queue)

    def _check_origin(self, message: ReceivedMessage) -> None:
        """Raises NotAuthentic and PlainTaskRefused."""
        own = ticket.find_ticket(message.headers, task=message.task, signer=self._signer)
        if own is not None:
            if own.task_id != message.task_id:
                raise NotAuthentic("a ticket under a foreign id")
            return
        if ticket.is_own_task_id(message.task_id):  # else its expiry, or its end, would be a job's
            raise NotAuthentic("the id of a job's message without its ticket")
        if self._refuses_plain and not self._is_signed(message):
            raise PlainTaskRefused("a plain task without a signature")

    def _is_signed(self, message: ReceivedMessage) -> bool:
        body = message.body.decode(errors="replace")
        signature = message.headers.get(ticket.SIGNATURE_HEADER)
        return self._signer.is_signed(signature, PURPOSE, message.task, message.task_id, body)


def install(transport: Any, guard: MessageGuard, *, release: Callable[[], None]) -> None:
    """Guard everything that a connection's channels deliver (`kombu.transport.redis`). `release`
    frees the slot of a message that could not be started."""
    deliver, create_channel = transport._deliver, transport.create_channel

    def guarded(raw: Raw, queue: str) -> None:
        if not _is_broadcast(transport, queue) and not guard.admits(raw, queue):
            return
        try:
            deliver(raw, queue)
        except Exception as error:
            if _is_of_connection(transport, error):
                raise
            guard.refuse_failed(error, queue)
            _drop(transport, raw, release)

    def create_guarded(connection: Any) -> Any:
        channel = create_channel(connection)
        _guard_channel(transport, channel, guard)
        return channel

    transport._deliver, transport.create_channel = guarded, create_guarded
    for channel in {*transport.channels, *transport._avail_channels}:
        _guard_channel(transport, channel, guard)


def _guard_channel(transport: Any, channel: Any, guard: MessageGuard) -> None:
    """kombu parses a message before it delivers it, and builds objects that its JSON names."""

    def guarded(read: Callable[..., Any]) -> Callable[..., Any]:
        def read_guarded(**options: Any) -> Any:
            try:
                return read(**options)
            except Exception as error:
                if isinstance(error, Empty) or _is_of_connection(transport, error):
                    raise
                guard.refuse_unreadable()
                return True

        return read_guarded

    for command, read in tuple(channel.handlers.items()):
        channel.handlers[command] = guarded(read)


def _is_of_connection(transport: Any, error: Exception) -> bool:
    """Whether the connection failed. kombu counts KeyError among its errors, which a message that
    lacks something raises."""
    errors = (*transport.connection_errors, *transport.channel_errors)
    return isinstance(error, errors) and not isinstance(error, KeyError)


def _is_broadcast(transport: Any, queue: str) -> bool:
    """Whether it is a queue of remote control or events. They carry no tasks."""
    return any(queue in channel.active_fanout_queues for channel in transport.channels)


def _drop(transport: Any, raw: Raw, release: Callable[[], None]) -> None:
    """Acknowledge a message that Celery has begun to handle, and free its slot."""
    properties = raw.get("properties") if isinstance(raw, dict) else None
    tag = properties.get("delivery_tag") if isinstance(properties, dict) else None
    for channel in transport.channels:
        if isinstance(tag, str) and tag in channel.qos._delivered:
            channel.basic_reject(tag, requeue=False)
    for request in tuple(worker_state.reserved_requests):
        if request.message.delivery_tag == tag:
            worker_state.task_ready(request)
            release()
