"""`celeriac tasks`: tasks of any Celery application, from its broker and its workers alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.cli.foreign import brokers
from app.cli.foreign.brokers import BrokerOption, KeyPrefixOption, MasterOption, Remote, YesOption
from app.cli.output import Format, FormatOption

if TYPE_CHECKING:
    from app.foreign.worker_actions import Acknowledged

COLUMNS = ("TASK", "ID", "WORKER", "RUNS FOR")

Json = Any  # a JSON value: the type system has no better word for it

application = typer.Typer(
    help="Show and revoke tasks of any Celery application.", no_args_is_help=True
)

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

    found = brokers.run(read, broker, master_name=master_name, key_prefix=key_prefix)
    if output_format is Format.JSON:
        output.print_json(found)
        return
    output.print_table(COLUMNS, [_row(task) for task in found])


@application.command("why")
def show_why(
    task_id: IdArgument,
    *,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
) -> None:
    """Tell why a task waits, in one sentence. Takes three seconds: workers are listened to."""

    async def read(remote: Remote) -> str:
        from app.foreign import reading, waiting_reason
        from app.foreign.wait_reader import WaitReader

        seen = await reading.read_application(remote.link, remote.keys, remote.pidbox)
        reader = WaitReader(remote.link.connection, remote.keys, remote.pidbox)
        return waiting_reason.why(await reader.facts(task_id, seen=seen, task=None))

    output.print_line(brokers.run(read, broker, master_name=master_name, key_prefix=key_prefix))


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
    found = brokers.run(act, broker, master_name=master_name, key_prefix=key_prefix)
    brokers.report(found, "drops " + ("it" if len(task_id) == 1 else "them"))


def _row(task: Mapping[str, Json]) -> tuple[object, ...]:
    from app.console import words

    seconds = task["runs_for_seconds"]
    return (
        task["task"],
        task["id"],
        task["worker"],
        None if seconds is None else words.duration(seconds),
    )
