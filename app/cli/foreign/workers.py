"""`celeriac workers`: the workers of any Celery application, and commands to them."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.cli.foreign import brokers
from app.cli.foreign.brokers import (
    BrokerChoice,
    BrokerOption,
    KeyPrefixOption,
    MasterOption,
    Remote,
    YesOption,
)
from app.cli.output import Format, FormatOption
from app.console import words
from app.errors import InvalidInput

if TYPE_CHECKING:
    from app.broker.model import NodeName
    from app.foreign.observed import SeenWorker
    from app.foreign.worker_actions import Acknowledged

COLUMNS = ("WORKER", "BUSY", "SLOTS", "PROCESSED", "UPTIME", "QUEUES")

application = typer.Typer(
    help="Show the workers of any Celery application, and send them commands.",
    no_args_is_help=True,
)

NodeArgument = Annotated[str, typer.Argument(help="Node name, like celery@host.", metavar="WORKER")]
NodesOption = Annotated[
    list[str] | None,
    typer.Option("--worker", "-w", help="Worker to address. Repeatable. Default: all of them."),
]
SlotsArgument = Annotated[int, typer.Argument(min=1, max=1_000, help="Slots.")]
QueueArgument = Annotated[str, typer.Argument(help="Name of the queue.")]
TaskArgument = Annotated[str, typer.Argument(help="Name of the task.", metavar="TASK")]
RateArgument = Annotated[str, typer.Argument(help="Like 10/s, 100/m or 2/h; 0 for no limit.")]
SoftOption = Annotated[
    float | None, typer.Option(min=0, help="Seconds until the task may clean up and end.")
]
HardOption = Annotated[float | None, typer.Option(min=0, help="Seconds until it is killed.")]


@application.command("list")
def list_workers(
    *,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List the workers that are alive. Takes three seconds, in which workers report."""
    found = brokers.run(brokers.workers, BrokerChoice(broker, master_name, key_prefix))
    if output_format is Format.JSON:
        output.print_json([_view(worker) for worker in found])
        return
    if not found:
        output.error("no worker is alive: `celery -A your_app worker` starts one")
    output.print_table(COLUMNS, [_row(worker) for worker in found])


@application.command("show")
def show_worker(
    node: NodeArgument,
    *,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show a worker and the tasks that it runs."""

    async def read(remote: Remote) -> tuple["SeenWorker", list[Any]]:
        from app.broker.model import NodeName
        from app.broker.workers.pidbox import Request

        worker = await _find(remote, node)
        active = Request(method="active", arguments={"safe": True})
        replies = await remote.pidbox.call([active], [NodeName(node)])
        tasks = replies.get(NodeName(node), {}).get(active.ticket)
        return worker, tasks if isinstance(tasks, list) else []

    worker, tasks = brokers.run(read, BrokerChoice(broker, master_name, key_prefix))
    if output_format is Format.JSON:
        running = [{"id": one.get("id"), "task": one.get("name")} for one in tasks]
        output.print_json(_view(worker) | {"running": running})
        return
    output.print_fields(list(zip((name.lower() for name in COLUMNS), _row(worker), strict=True)))
    for one in tasks:
        output.print_line(f"runs       {one.get('name')}  {one.get('id')}")


@application.command("grow")
def grow(
    node: NodeArgument,
    slots: SlotsArgument = 1,
    *,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Add slots to a worker."""
    _resize(node, slots, BrokerChoice(broker, master_name, key_prefix))


@application.command("shrink")
def shrink(
    node: NodeArgument,
    slots: SlotsArgument = 1,
    *,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Remove slots from a worker."""
    _resize(node, -slots, BrokerChoice(broker, master_name, key_prefix))


@application.command("add-consumer")
def add_consumer(
    queue: QueueArgument,
    *,
    worker: NodesOption = None,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Let workers consume a queue. They discard messages of tasks that they do not know."""
    _tell(
        worker,
        lambda remote, nodes: remote.workers.consume(nodes, queue),
        f"consumes queue {queue}",
        BrokerChoice(broker, master_name, key_prefix),
    )


@application.command("cancel-consumer")
def cancel_consumer(
    queue: QueueArgument,
    *,
    worker: NodesOption = None,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Let workers stop consuming a queue. What they have fetched still runs."""
    _tell(
        worker,
        lambda remote, nodes: remote.workers.stop_consuming(nodes, queue),
        f"does not consume queue {queue}",
        BrokerChoice(broker, master_name, key_prefix),
    )


@application.command("rate-limit")
def rate_limit(
    task: TaskArgument,
    rate: RateArgument,
    *,
    worker: NodesOption = None,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Limit how often each worker starts a task."""
    _tell(
        worker,
        lambda remote, nodes: remote.workers.limit_rate(nodes, task, rate),
        f"starts {task} at {rate}",
        BrokerChoice(broker, master_name, key_prefix),
    )


@application.command("time-limit")
def time_limit(
    task: TaskArgument,
    *,
    soft: SoftOption = None,
    hard: HardOption = None,
    worker: NodesOption = None,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Limit how long a task may run."""
    _tell(
        worker,
        lambda remote, nodes: remote.workers.limit_time(nodes, task, soft_s=soft, hard_s=hard),
        f"limits {task}",
        BrokerChoice(broker, master_name, key_prefix),
    )


@application.command("restart")
def restart(
    node: NodeArgument,
    *,
    yes: YesOption = False,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Restart the processes of a worker, if its setting `worker_pool_restarts` allows that."""
    brokers.confirm(f"Restart the processes of {node}? Tasks that run there may be lost.", yes=yes)
    _tell(
        [node],
        lambda remote, nodes: remote.workers.restart_pool(nodes[0]),
        "restarts its processes",
        BrokerChoice(broker, master_name, key_prefix),
    )


@application.command("shutdown")
def shut_down(
    node: NodeArgument,
    *,
    yes: YesOption = False,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """End a worker once its running tasks have ended."""

    async def act(remote: Remote) -> None:
        from app.broker.model import NodeName

        await _find(remote, node)
        await remote.workers.shut_down(NodeName(node))

    brokers.confirm(f"End worker {node}? Nothing starts it again from here.", yes=yes)
    brokers.run(act, BrokerChoice(broker, master_name, key_prefix))
    output.print_line(f"{node}: ends once its running tasks have ended")


Nodes = list["NodeName"]


def _resize(node: str, by: int, target: BrokerChoice) -> None:
    change = f"{words.plural(abs(by), 'slot')} {'more' if by > 0 else 'fewer'}"
    _tell([node], lambda remote, nodes: remote.workers.resize(nodes[0], by=by), change, target)


def _tell(
    named: list[str] | None,
    command: Callable[[Remote, Nodes], Awaitable["Acknowledged"]],
    what: str,
    target: BrokerChoice,
) -> None:
    async def act(remote: Remote) -> "Acknowledged":
        from app.broker.model import NodeName

        alive = {worker.node for worker in await brokers.workers(remote)}
        for name in named or ():
            _check(name, alive)
        return await command(remote, [NodeName(name) for name in sorted(named or alive)])

    brokers.report(brokers.run(act, target), what)


async def _find(remote: Remote, node: str) -> "SeenWorker":
    found = {worker.node: worker for worker in await brokers.workers(remote)}
    _check(node, set(found))
    return found[node]


def _check(node: str, alive: set[str]) -> None:
    """Raises InvalidInput if the worker is not alive."""
    if node not in alive:
        known = f"these do: {', '.join(sorted(alive))}" if alive else "no other one does either"
        raise InvalidInput(f"no worker answers to {node!r}; {known}")


def _row(worker: "SeenWorker") -> tuple[object, ...]:
    queues = "no answer" if worker.queues is None else ", ".join(worker.queues) or "none"
    return (
        worker.node,
        worker.active,
        worker.slots,
        f"{worker.processed:,}",
        None if worker.uptime_s is None else words.duration(worker.uptime_s),
        queues,
    )


def _view(worker: "SeenWorker") -> dict[str, Any]:
    return {
        "name": worker.node,
        "active": worker.active,
        "slots": worker.slots,
        "processed": worker.processed,
        "uptime_seconds": worker.uptime_s,
        "queues": None if worker.queues is None else list(worker.queues),
        "answers": not worker.is_deaf,
    }
