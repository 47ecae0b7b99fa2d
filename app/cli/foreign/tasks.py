"""`celeriac tasks`: tasks of any Celery application, from its broker, its workers, and the history
that `celeriac console` keeps."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
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
    from app.foreign.history_reader import HistoryReader
    from app.foreign.history_rows import TaskFailures, TaskRow
    from app.foreign.worker_actions import Acknowledged

COLUMNS = ("TASK", "ID", "WORKER", "RUNS FOR")
LIST_COLUMNS = ("STATE", "TASK", "ID", "QUEUE", "SEEN", "RAN", "ERROR OR ARGUMENTS")
FAILURE_COLUMNS = ("LAST HOUR", "ALL", "TASK", "EXCEPTION", "PLACE", "LAST", "EXAMPLE")
TEXT_LENGTH = 60

Json = Any  # a JSON value: the type system has no better word for it

application = typer.Typer(
    help="Show tasks of any Celery application, and revoke them.", no_args_is_help=True
)

HistoryOption = Annotated[
    Path | None, typer.Option(help="File of the history. Default: that of this broker.")
]
IdArgument = Annotated[str, typer.Argument(help="Id of the task.", metavar="ID")]


@application.command("running")
def list_running(
    *,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List the tasks that run now, the longest first."""

    async def read(remote: Remote) -> list[Mapping[str, Json]]:
        from app.foreign import reading

        remote.link.open()
        return await reading.running_tasks(remote.pidbox)

    found = brokers.run(read, BrokerChoice(broker, master_name, key_prefix))
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(COLUMNS, [_row(task) for task in found])


@application.command("list")
def list_tasks(
    query: Annotated[
        list[str] | None,
        typer.Argument(
            help="Filters, like task:orders.* state:failed 4711.", metavar="[FILTER]..."
        ),
    ] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="Tasks.")] = 20,
    history: HistoryOption = None,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List tasks from the history of the console, newest first."""
    from app.foreign import task_search

    with _reading(history, BrokerChoice(broker, master_name, key_prefix)) as reader:
        search = task_search.parse(" ".join(query or ()))
        found = reader.page(search, before=None, limit=limit)
    if output_format is Format.JSON:
        output.print_json([asdict(task) for task in found.tasks])
        return
    output.print_table(LIST_COLUMNS, [_task_row(task) for task in found.tasks])


@application.command("show")
def show_task(
    task_id: IdArgument,
    *,
    history: HistoryOption = None,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show what the history of the console knows of a task."""
    with _reading(history, BrokerChoice(broker, master_name, key_prefix)) as reader:
        task = reader.task(task_id)
    if task is None:
        output.error(f"the history knows no task {task_id!r}")
        raise typer.Exit(brokers.HAS_FAILED)
    events = [
        f"{_clock(at)}  {kind} on {node}  {error}".rstrip() for at, kind, node, error in task.log
    ]
    facts = [
        *(("task", task.series.name), ("id", task.uuid), ("state", task.series.state.value)),
        *(("queue", task.series.queue), ("worker", task.series.worker)),
        *(("arguments", f"{task.args} {task.kwargs}".strip()), ("result", task.result)),
        *(("error", task.error if task.series.exception else ""), ("place", task.series.place)),
    ]
    if output_format is Format.JSON:
        known = dict(facts) | {"events": task.log, "traceback": task.traceback}
        output.print_json(known)
        return
    output.print_fields(facts)
    for line in (*events, *task.traceback.splitlines()):
        output.print_line(line)


@application.command("failures")
def list_failures(
    *,
    history: HistoryOption = None,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List failed tasks by name, exception and place, from the history of the console."""
    with _reading(history, BrokerChoice(broker, master_name, key_prefix)) as reader:
        found = reader.failures()
    if output_format is Format.JSON:
        output.print_json([asdict(group) for group in found])
        return
    output.print_table(FAILURE_COLUMNS, [_failure_row(group) for group in found])


@application.command("why")
def show_why(
    task_id: IdArgument,
    *,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Show why a task waits, in one sentence. Takes three seconds, in which workers report."""

    async def read(remote: Remote) -> str:
        from app.foreign import reading, waiting_reason
        from app.foreign.wait_reader import WaitReader

        seen = await reading.read_application(remote.link, remote.pidbox)
        reader = WaitReader(remote.link, remote.pidbox)
        return waiting_reason.why(await reader.facts(task_id, seen=seen, task=None))

    output.print_line(brokers.run(read, BrokerChoice(broker, master_name, key_prefix)))


@application.command("revoke")
def revoke(
    task_id: Annotated[list[str], typer.Argument(help="Ids of tasks.", metavar="ID")],
    *,
    terminate: Annotated[
        bool, typer.Option("--terminate", help="End them where they run, too.")
    ] = False,
    yes: YesOption = False,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Revoke tasks: workers that are alive drop them when they get them."""

    async def act(remote: Remote) -> "Acknowledged":
        from app.broker.model import NodeName

        nodes = [NodeName(worker.node) for worker in await brokers.workers(remote)]
        return await remote.workers.revoke(nodes, task_id, terminate=terminate)

    if terminate:
        count = "this task" if len(task_id) == 1 else f"these {len(task_id)} tasks"
        brokers.confirm(f"End {count} where they run?", yes=yes)
    found = brokers.run(act, BrokerChoice(broker, master_name, key_prefix))
    brokers.report(found, "drops " + ("it" if len(task_id) == 1 else "them"))


@contextmanager
def _reading(history: Path | None, target: BrokerChoice) -> Iterator["HistoryReader"]:
    """The history of an application. Ends the command with a line where there is none."""
    from app.foreign import history_schema
    from app.foreign.history_reader import HistoryReader

    try:
        path = history or history_schema.default_path(
            target.address(), key_prefix=target.key_prefix
        )
        yield HistoryReader(path, clock=time.time)
    except sqlite3.DatabaseError as error:
        output.error(f"{history or 'the file'} is no history: {error}")
        raise typer.Exit(brokers.INVALID_USAGE) from None
    except InvalidInput as error:
        output.error(str(error))
        raise typer.Exit(brokers.INVALID_USAGE) from None


def _task_row(task: "TaskRow") -> tuple[object, ...]:
    ran_s = task.runtime_s
    if ran_s is None and task.started_at is not None and task.ended_at is not None:
        ran_s = max(0.0, task.ended_at - task.started_at)
    text = task.error if task.exception else f"{task.args} {task.kwargs}".removesuffix(" {}")
    return (
        *(task.state, task.name or "unknown", task.uuid, task.queue, _ago(task.seen_at)),
        None if ran_s is None else words.duration(ran_s),
        output.clipped(text, TEXT_LENGTH),
    )


def _failure_row(group: "TaskFailures") -> tuple[object, ...]:
    return (
        *(f"{group.recent:,}", f"{group.count:,}", group.name or "unknown"),
        *(group.exception or "unknown", group.place, _ago(group.last_at), group.example),
    )


def _ago(at_s: float) -> str:
    return words.ago(datetime.fromtimestamp(at_s, UTC), datetime.now(UTC))


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _row(task: Mapping[str, Json]) -> tuple[object, ...]:
    seconds = task["runs_for_seconds"]
    return (
        task["task"],
        task["id"],
        task["worker"],
        None if seconds is None else words.duration(seconds),
    )
