"""The broker of a command: that of any Celery application, or of this platform."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli import output
from app.errors import BrokerUnreachable, InvalidInput

if TYPE_CHECKING:
    from app.broker.connections.address import Address
    from app.broker.link import Link
    from app.broker.workers.pidbox import Pidbox
    from app.foreign.observed import SeenWorker
    from app.foreign.worker_actions import Acknowledged, WorkerActions

T = TypeVar("T")

HAS_FAILED = 1
INVALID_USAGE = 2
UNREACHABLE = 3

BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker",
        "-b",
        help="URL of any Celery application's broker. Default: this platform.",
    ),
]
MasterOption = Annotated[str, typer.Option(help="Master name of a sentinel:// broker.")]
KeyPrefixOption = Annotated[
    str, typer.Option(help="`global_keyprefix` of the application's transport options.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="Messages at most.")]


@dataclass(frozen=True, slots=True)
class BrokerChoice:
    """The application that a command names by its options."""

    broker: str | None
    """None: this platform."""
    master_name: str
    key_prefix: str

    def address(self) -> "Address":
        """Raises InvalidInput."""
        return address_of(self.broker, master_name=self.master_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One application, as commands reach it."""

    link: "Link"
    pidbox: "Pidbox"
    workers: "WorkerActions"


def address_of(broker: str | None, *, master_name: str) -> "Address":
    """The broker that is named, else that of this platform. Raises InvalidInput."""
    from app.broker.connections import address
    from app.broker.connections.address import SentinelEntry
    from app.settings import BrokerSettings

    if broker is not None:
        return address.parse_address(broker, sentinel=SentinelEntry(master_name=master_name))
    return address.address_of(BrokerSettings(), master_name=master_name)


def run(act: Callable[[Remote], Awaitable[T]], target: BrokerChoice) -> T:
    """Do something with the application, and return what it returns. Ends the command with a line
    and an exit code where that cannot be done."""
    try:
        return asyncio.run(_with_remote(act, target.address(), key_prefix=target.key_prefix))
    except InvalidInput as error:
        output.error(str(error))
        raise typer.Exit(INVALID_USAGE) from None
    except BrokerUnreachable as error:
        output.error(f"{error}. Is the broker running, and is --broker its URL?")
        raise typer.Exit(UNREACHABLE) from None


async def _with_remote(
    act: Callable[[Remote], Awaitable[T]], address: "Address", *, key_prefix: str
) -> T:
    from app.broker.link import Link
    from app.broker.workers.content_negotiation import ContentNegotiation
    from app.broker.workers.pidbox import Pidbox
    from app.foreign.worker_actions import WorkerActions

    link = Link(address, key_prefix=key_prefix, clock=time.time)
    pidbox = Pidbox(link.connection, link.keys, ContentNegotiation(), clock=time.time)
    try:
        return await act(Remote(link=link, pidbox=pidbox, workers=WorkerActions(pidbox)))
    finally:
        await link.close()


async def workers(remote: Remote) -> tuple["SeenWorker", ...]:
    """The workers that are alive. Takes some seconds. Raises BrokerUnreachable."""
    from app.foreign import reading

    remote.link.open()
    return await reading.read_workers(remote.link, remote.pidbox)


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere an answer must be given beforehand. Ends the command where it is
    no."""
    if yes:
        return
    if not sys.stdin.isatty():
        output.error(f"{question} Add --yes: this is not a terminal")
        raise typer.Exit(INVALID_USAGE)
    if not typer.confirm(question):
        output.error("nothing was done")
        raise typer.Exit(HAS_FAILED)


def report(found: "Acknowledged", what: str) -> None:
    """Print which workers have confirmed. Ends the command with 1 if one has not."""
    for node in found.done:
        output.print_line(f"{node}: {what}")
    for node, reason in found.refused.items():
        output.error(f"{node} refuses: {reason}")
    for node in found.silent:
        output.error(f"{node} has not answered in time, and may do it later")
    if found.refused or found.silent or not found.done:
        if not (found.refused or found.silent):
            output.error("no worker is concerned")
        raise typer.Exit(HAS_FAILED)
