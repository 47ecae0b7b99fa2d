"""`celeriac doctor`: examine a Celery application on Redis."""

import asyncio
import os
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.cli.foreign import brokers
from app.cli.foreign.brokers import KeyPrefixOption, MasterOption
from app.cli.output import Format, FormatOption
from app.errors import BrokerUnreachable, InvalidInput
from app.telemetry.terminal_text import shown

if TYPE_CHECKING:
    from rich.text import Text

    from app.broker.connections.address import Address
    from app.doctor.checks import Diagnosis, Examination, Unchecked
    from app.doctor.snapshot import PlatformFacts

Json = Any  # a JSON value: the type system has no better word for it

HAS_ERRORS = 1
INVALID_USAGE = 2
UNREACHABLE = 3

COLOURS = {"error": "bold red", "warning": "bold yellow"}
LABELS = ("seen", "why", "do")
WIDTH = 80
"""Maximum width of the texts, also of a wider terminal: they are sentences."""

BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker",
        envvar="CELERIAC_DOCTOR_BROKER_URL",
        help="URL of the broker of any Celery application. Default: this platform.",
    ),
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings too.")]


def doctor(
    *,
    broker: BrokerOption = None,
    master_name: MasterOption = "",
    key_prefix: KeyPrefixOption = "",
    strict: StrictOption = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Examine broker, queues and workers, and show what is misconfigured and what to do.

    Exit codes: 0 no errors, 1 errors, 2 invalid usage, 3 the broker does not answer.
    """
    from app.doctor import examination

    try:
        address = brokers.address_of(broker, master_name=master_name)
        platform = _platform() if broker is None else None
        report = asyncio.run(examination.examine(address, key_prefix=key_prefix, platform=platform))
    except InvalidInput as error:
        output.error(str(error))
        raise typer.Exit(INVALID_USAGE) from None
    except BrokerUnreachable as error:
        output.error(f"{error}. Nothing was examined")
        raise typer.Exit(UNREACHABLE) from None
    if output_format is Format.JSON:
        output.print_json(_json(address, report))
    else:
        _print(address, report)
    if _errors(report) or (strict and report.findings):
        raise typer.Exit(HAS_ERRORS)


def _platform() -> "PlatformFacts":
    """Raises InvalidInput."""
    from app.doctor import platform_reader
    from app.settings import Settings

    return platform_reader.read(os.environ, Settings())


def _errors(report: "Examination") -> int:
    from app.doctor.checks import DoctorSeverity

    return report.count(DoctorSeverity.ERROR)


def _json(address: "Address", report: "Examination") -> Json:
    return {
        "broker": str(address),
        "findings": [
            {
                "id": one.check.id,
                "severity": one.check.severity.value,
                "seen": one.seen,
                "why": one.check.why,
                "remedy": one.check.remedy,
            }
            for one in report.findings
        ],
        "not_checked": [{"id": one.check.id, "reason": one.reason} for one in report.unchecked],
        "passed": [check.id for check in report.passed],
    }


def _print(address: "Address", report: "Examination") -> None:
    from app.doctor.figure_texts import counted

    console = output.console()
    width = min(console.width, WIDTH)
    for finding in report.findings:
        console.print(_heading(finding))
        for line in _lines(finding, width=width):
            output.print_line(line)
        output.print_line("")
    for text in _not_checked(report.unchecked, width=width):
        output.print_line(text)
    errors = _errors(report)
    output.print_line(
        f"{address}: {counted(errors, 'error')}, "
        f"{counted(len(report.findings) - errors, 'warning')}, "
        f"{counted(len(report.passed), 'check')} passed, {len(report.unchecked)} not run"
    )


def _heading(finding: "Diagnosis") -> "Text":
    from rich.text import Text

    severity = finding.check.severity.value
    return Text.assemble((severity, COLOURS[severity]), f"  {finding.check.id}")


def _lines(finding: "Diagnosis", *, width: int) -> Iterator[str]:
    texts = (finding.seen, finding.check.why, finding.check.remedy)
    for label, text in zip(LABELS, texts, strict=True):
        yield _filled(shown(text), width=width, first=f"  {label:<6}", rest=" " * 8)


def _filled(text: str, *, width: int, first: str, rest: str) -> str:
    return textwrap.fill(
        text,
        width=width,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _not_checked(unchecked: "tuple[Unchecked, ...]", *, width: int) -> Iterator[str]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for one in unchecked:
        by_reason[one.reason].append(one.check.id)
    for reason, names in by_reason.items():
        text = f"{reason}: {', '.join(names)}"
        yield _filled(shown(text), width=width, first="not run  ", rest=" " * 9) + "\n"
