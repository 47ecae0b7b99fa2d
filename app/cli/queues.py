"""`celeriac queues`: queues of this platform or of any Celery application, and their messages."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import client, output, roles, running
from app.cli.foreign import brokers
from app.cli.foreign.brokers import (
    BrokerChoice,
    BrokerOption,
    KeyPrefixOption,
    LimitOption,
    MasterOption,
    Remote,
    YesOption,
)
from app.cli.output import Format, FormatOption
from app.console import words

if TYPE_CHECKING:
    from app.foreign.observed import Seen, SeenQueue
    from app.foreign.waiting_messages import WaitingMessage
    from app.foreign.worker_actions import Acknowledged
    from app.local.state_files import UpStatus

Json = Any  # a JSON value: the type system has no better word for it

Queues = Sequence[Mapping[str, Json]]
"""Queues as the API returns them."""

COLUMNS = ("QUEUE", "READY", "UNACKED", "SCHEDULED", "OLDEST", "PURPOSE")
BROKER_COLUMNS = ("QUEUE", "READY", "UNACKED", "SCHEDULED", "OLDEST", "WORKERS")
MESSAGE_COLUMNS = ("TASK", "ID", "PRIORITY", "ARGUMENTS")
ARGUMENTS_LENGTH = 60

application = typer.Typer(
    help="Show queues and their messages; pause, move and purge them.", no_args_is_help=True
)

QueueArgument = Annotated[str, typer.Argument(help="Name of the queue.", metavar="QUEUE")]
NodesOption = Annotated[
    list[str] | None,
    typer.Option("--worker", "-w", help="Worker to address. Repeatable. Default: all of them."),
]


@application.command("list")
def list_queues(
    context: typer.Context,
    *,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
    data_dir: running.DataDirOption = running.DEFAULT_DATA_DIR,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List the queues with their messages: ready (over all priorities), unacked and scheduled."""
    if broker is not None:
        _list_of_broker(BrokerChoice(broker, master_name, key_prefix), output_format)
        return
    with _reader(context, data_dir) as read:
        found = read()
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(COLUMNS, [_queue_row(queue) for queue in found])


@application.command("watch")
def watch_queues(
    context: typer.Context,
    *,
    data_dir: running.DataDirOption = running.DEFAULT_DATA_DIR,
    interval_s: Annotated[
        float, typer.Option("--interval", min=0.2, help="Seconds between updates.")
    ] = 1.0,
) -> None:
    """Show the queues and update them until Ctrl-C."""
    from rich.live import Live

    console = output.console()
    with _reader(context, data_dir) as read, Live(console=console, screen=False) as live:
        while True:
            live.update(output.grid(COLUMNS, [_queue_row(queue) for queue in read()]))
            time.sleep(interval_s)


@application.command("show")
def show_queue(
    queue: QueueArgument,
    *,
    limit: LimitOption = 20,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show the messages that workers take next."""

    async def read(remote: Remote) -> tuple[dict[int, int], list["WaitingMessage"]]:
        from app.foreign import queue_actions
        from app.queues import QueueName

        name = QueueName(queue)
        by_step = await queue_actions.lengths(remote.link, name)
        found = await queue_actions.next_messages(remote.link, name, limit=limit)
        return by_step, found

    by_step, found = brokers.run(read, BrokerChoice(broker, master_name, key_prefix))
    if output_format is Format.JSON:
        messages = [asdict(message) for message in found]
        output.print_json({"name": queue, "ready_by_priority": by_step, "next": messages})
        return
    counts = ", ".join(f"{count:,} of priority {step}" for step, count in by_step.items())
    output.print_line(
        f"{queue}: {sum(by_step.values()):,} ready" + (f" ({counts})" if counts else "")
    )
    if found:
        output.print_table(MESSAGE_COLUMNS, [_message_row(message) for message in found])


@application.command("pause")
def pause(
    queue: QueueArgument,
    *,
    worker: NodesOption = None,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Let its workers stop consuming a queue. What they have fetched still runs."""

    async def act(remote: Remote) -> "Acknowledged":
        from app.broker.model import NodeName
        from app.foreign import reading

        consuming = reading.consumers(await brokers.workers(remote), queue)
        named = [NodeName(name) for name in worker or ()]
        return await remote.workers.stop_consuming(named or consuming, queue)

    found = brokers.run(act, BrokerChoice(broker, master_name, key_prefix))
    if found.done:
        nodes = " ".join(f"--worker {node}" for node in found.done)
        output.print_line(f"To undo it: celeriac queues resume {queue} {nodes}")
    brokers.report(found, f"does not consume queue {queue}")


@application.command("resume")
def resume(
    queue: QueueArgument,
    *,
    worker: Annotated[
        list[str],
        typer.Option(
            "--worker", "-w", help="Worker to address, as `pause` has named it. Repeatable."
        ),
    ],
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Let workers consume a queue again. They discard messages of tasks that they do not know."""

    async def act(remote: Remote) -> "Acknowledged":
        from app.broker.model import NodeName

        return await remote.workers.consume([NodeName(name) for name in worker], queue)

    found = brokers.run(act, BrokerChoice(broker, master_name, key_prefix))
    brokers.report(found, f"consumes queue {queue}")


@application.command("purge")
def purge(
    queue: QueueArgument,
    *,
    yes: YesOption = False,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Delete the messages of a queue that no worker has fetched."""

    async def act(remote: Remote) -> int:
        from app.foreign import queue_actions
        from app.queues import QueueName

        return await queue_actions.purge(remote.link, QueueName(queue))

    count = _ready(queue, BrokerChoice(broker, master_name, key_prefix))
    question = f"Delete {words.plural(count, 'message')} of queue {queue}? They cannot be got back."
    brokers.confirm(question, yes=yes)
    deleted = brokers.run(act, BrokerChoice(broker, master_name, key_prefix))
    output.print_line(f"{words.plural(deleted, 'message')} of queue {queue} deleted")


@application.command("move")
def move(
    queue: QueueArgument,
    target: Annotated[str, typer.Argument(help="Queue to move them to.", metavar="TARGET")],
    *,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Messages at most. Default: all.")
    ] = None,
    yes: YesOption = False,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Move messages to the end of another queue, the next ones first, each at its priority."""

    async def act(remote: Remote) -> int:
        from app.foreign import queue_actions
        from app.queues import QueueName

        source, to = QueueName(queue), QueueName(target)
        return await queue_actions.move(remote.link, source, to, limit=limit)

    count = _ready(queue, BrokerChoice(broker, master_name, key_prefix))
    wanted = count if limit is None else min(count, limit)
    brokers.confirm(
        f"Move {words.plural(wanted, 'message')} of queue {queue} to {target}?", yes=yes
    )
    moved = brokers.run(act, BrokerChoice(broker, master_name, key_prefix))
    output.print_line(f"{words.plural(moved, 'message')} moved from queue {queue} to {target}")


@application.command("values")
def show_values() -> None:
    """Print the chart values of the pools for the queues that CELERIAC_PIPELINES brings."""
    import yaml

    from app.queues import BY_NAME

    brought = [queue for name, queue in roles.known_queues().items() if name not in BY_NAME]
    pools = {str(queue.name): queue.pool_values() for queue in brought}
    typer.echo(yaml.safe_dump({"pipelines": {"pools": pools}}, sort_keys=False), nl=False)


@contextmanager
def _reader(context: typer.Context, folder: Path) -> Iterator[Callable[[], Queues]]:
    """Reads the queues: from the API, or from the status file of a `celeriac up` that runs another
    application."""
    up = running.find(context, folder)
    if up is not None and up.api_url is None:
        yield lambda: _of_pools(running.find(context, folder))
        return
    with client.connected(context, folder=folder) as api:
        yield lambda: api.get("/queues")["items"]


def _of_pools(up: "UpStatus | None") -> Queues:
    pools = up.pools if up is not None else {}
    return [
        {
            "name": queue.name,
            "ready": queue.ready,
            "unacked": queue.unacked,
            "scheduled": queue.scheduled,
            "oldest_age_seconds": queue.oldest_age_s,
            "purpose": f"pool {name}",
        }
        for name in sorted(pools)
        for queue in pools[name].queues
    ]


def _queue_row(queue: Mapping[str, Json]) -> tuple[object, ...]:
    age_s = queue["oldest_age_seconds"]
    return (
        queue["name"],
        _count(queue["ready"]),
        _count(queue["unacked"]),
        _count(queue["scheduled"]),
        "" if age_s is None else f"{age_s:.0f} s",
        queue["purpose"],
    )


def _count(value: int | None) -> str:
    return "?" if value is None else str(value)


def _list_of_broker(target: BrokerChoice, output_format: Format) -> None:
    async def read(remote: Remote) -> "Seen":
        from app.foreign import reading

        return await reading.read_application(remote.link, remote.pidbox)

    seen = brokers.run(read, target)
    if output_format is Format.JSON:
        output.print_json([_broker_view(queue) for queue in seen.queues])
        return
    output.print_table(
        BROKER_COLUMNS,
        [
            (
                queue.name,
                f"{queue.ready:,}",
                _count(queue.unacked),
                _count(queue.scheduled),
                None if queue.oldest_age_s is None else f"{queue.oldest_age_s:.0f} s",
                queue.consumers or "none",
            )
            for queue in seen.queues
        ],
    )


def _broker_view(queue: "SeenQueue") -> dict[str, Json]:
    return {
        "name": queue.name,
        "ready": queue.ready,
        "unacked": queue.unacked,
        "scheduled": queue.scheduled,
        "oldest_age_seconds": queue.oldest_age_s,
        "workers": queue.consumers,
    }


def _ready(queue: str, target: BrokerChoice) -> int:
    async def read(remote: Remote) -> int:
        from app.foreign import queue_actions
        from app.queues import QueueName

        found = await queue_actions.lengths(remote.link, QueueName(queue))
        return sum(found.values())

    return brokers.run(read, target)


def _message_row(message: "WaitingMessage") -> tuple[object, ...]:
    arguments = message.args + (f" {message.kwargs}" if message.kwargs not in ("", "{}") else "")
    arguments = output.clipped(arguments, ARGUMENTS_LENGTH)
    return message.name or "unreadable", message.task_id, message.priority, arguments
