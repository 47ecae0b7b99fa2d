"""`celeriac jobs submit KIND`: one command per kind of job, with options from its JSON schema."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from app.cli import client, option_values, output, watch
from app.cli.client import ApiClient, ApiUnreachable
from app.cli.output import Format, FormatOption
from app.errors import InvalidInput

if TYPE_CHECKING:
    from typer._click import Command, Context

Json = Any  # a JSON value: the type system has no better word for it
Schema = Mapping[str, Json]


class ValueType(StrEnum):
    """The type of an option's value."""

    TEXT = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXTS = "array"
    """A list of texts: the option is repeatable."""
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a kind."""

    name: str
    value_type: ValueType
    is_required: bool
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def parameters(schema: Schema) -> tuple[Parameter, ...]:
    """The parameters of a schema, in its order."""
    required = schema.get("required", ())
    return tuple(
        _parameter(name, _resolved(inner, schema), is_required=name in required)
        for name, inner in schema.get("properties", {}).items()
    )


def _parameter(name: str, schema: Schema, *, is_required: bool) -> Parameter:
    return Parameter(
        name=name,
        value_type=_value_type(schema),
        is_required=is_required,
        help=_help(schema, is_required=is_required),
    )


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema without references, and without the `null` of an optional value."""
    reference = schema.get("$ref")
    if reference is not None:
        found = root.get("$defs", {}).get(reference.rpartition("/")[2], {})
        return {**_resolved(found, root), **{k: v for k, v in schema.items() if k != "$ref"}}
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        outer = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**_resolved(choices[0], root), **outer}
    return schema


def _value_type(schema: Schema) -> ValueType:
    declared = schema.get("type")
    if declared == "array":
        is_texts = schema.get("items", {}).get("type") == "string"
        return ValueType.TEXTS if is_texts else ValueType.JSON
    if declared in ("string", "integer", "number", "boolean"):
        return ValueType(declared)
    return ValueType.JSON


def _help(schema: Schema, *, is_required: bool) -> str:
    parts = [str(schema.get("description", "")).strip()]
    if "enum" in schema:
        parts.append("One of " + ", ".join(map(str, schema["enum"])) + ".")
    if _value_type(schema) is ValueType.JSON:
        parts.append("In JSON.")
    if is_required:
        parts.append("[required]")
    elif schema.get("default") not in (None, "", [], {}):
        parts.append(f"[default: {schema['default']}]")
    return " ".join(part for part in parts if part)


UPLOAD_PARAMETER = "upload_id"

ParamOption = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="A parameter; its value may be JSON. Repeatable."),
]
PairArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Parameters, as with --param."),
]
JsonOption = Annotated[str | None, typer.Option(help="All parameters as one JSON object.")]
FileOption = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="Upload this file and pass its id as `upload_id`."
    ),
]
PriorityOption = Annotated[
    int | None, typer.Option(min=0, max=9, help="0 runs first, 9 last. Default: 5.")
]
NotBeforeOption = Annotated[str | None, typer.Option(help="Earliest start (ISO 8601).")]
MaxAttemptsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Maximum runs of each stage. Default: the server's setting."),
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Label to find the job by. Repeatable."),
]
IdempotencyKeyOption = Annotated[
    str | None, typer.Option(help="A repeated request with the same key returns the same job.")
]
EndWebhookOption = Annotated[
    str | None, typer.Option(metavar="URL", help="Receives a signed webhook when the job ends.")
]
OnSuccessOption = Annotated[
    str | None,
    typer.Option(
        metavar="JSON", help='What to run if the job succeeds: `{"kind": ..., "params": ...}`.'
    ),
]
OnFailureOption = Annotated[
    str | None, typer.Option(metavar="JSON", help="What to run if the job fails, in the same form.")
]
WaitOption = Annotated[
    bool, typer.Option("--wait", "--watch", help="Follow the job until it ends.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """A kind of job, as the API describes it."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...]

    @property
    def texts(self) -> frozenset[str]:
        """Parameters whose values are text, even if they look like JSON."""
        found = (one.name for one in self.parameters if one.value_type is ValueType.TEXT)
        return frozenset(found)


def known_kinds(context: typer.Context) -> dict[str, JobKind]:
    """The kinds of the API; without an answer, those of this installation, enough for `--help`."""
    try:
        with client.connected(context) as api:
            found = api.get("/pipelines")["items"]
    except ApiUnreachable:
        found = installed_kinds()
    kinds = [parse_kind(entry) for entry in found]
    return {kind.name: kind for kind in kinds}


def parse_kind(entry: Mapping[str, Json]) -> JobKind:
    """A kind from its PipelineView."""
    return JobKind(
        name=entry["kind"],
        summary=entry["summary"],
        parameters=parameters(entry["params_schema"]),
    )


def installed_kinds() -> list[dict[str, Json]]:
    """The kinds of this installation, as the API would return them."""
    from app.pipelines import registry  # only if no API answers
    from app.settings import PipelineSettings

    return [
        {"kind": kind, "summary": found.summary, "params_schema": found.params.model_json_schema()}
        for kind, found in registry.discover(PipelineSettings().modules).public.items()
    ]


class KindGroup(typer.core.TyperGroup):
    """A group with a command for each kind, which it requests only when needed."""

    def list_commands(self, ctx: "Context") -> list[str]:
        return sorted(known_kinds(ctx))  # type: ignore[arg-type]  # Typer's is a subclass of it

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command":
        known = known_kinds(ctx)  # type: ignore[arg-type]  # as above
        if cmd_name not in known:
            raise typer.BadParameter(f"no kind {cmd_name!r}; known kinds: {', '.join(known)}")
        return build_command(known[cmd_name])


application = typer.Typer(
    cls=KindGroup,
    help="Submit a job. Each kind is a command with its own options.",
    no_args_is_help=True,
    subcommand_metavar="KIND [OPTIONS]",
)


@application.callback()
def _group() -> None:
    """Submit a job. Each kind is a command with its own options."""


def submit(  # with the options of every kind
    context: typer.Context,
    named: PairArgument = None,
    *,
    param: ParamOption = None,
    json: JsonOption = None,
    file: FileOption = None,
    priority: PriorityOption = None,
    not_before: NotBeforeOption = None,
    max_attempts: MaxAttemptsOption = None,
    label: LabelOption = None,
    idempotency_key: IdempotencyKeyOption = None,
    end_webhook: EndWebhookOption = None,
    on_success: OnSuccessOption = None,
    on_failure: OnFailureOption = None,
    wait: WaitOption = False,
    output_format: FormatOption = Format.TABLE,
    kind: JobKind,
    params: Mapping[str, Json],
) -> None:
    """Submit a job; `params` come from the options of its kind."""
    by_name = option_values.parse_typed([*(named or ()), *(param or ())], texts=kind.texts)
    body: dict[str, Json] = {
        "params": {
            **(option_values.parse_object(json, option="--json") or {}),
            **by_name,
            **params,
        },
        "priority": priority,
        "not_before": not_before,
        "max_attempts": max_attempts,
        "labels": option_values.parse(label or ()),
        "webhook_url": end_webhook,
        "on_success": option_values.parse_object(on_success, option="--on-success"),
        "on_failure": option_values.parse_object(on_failure, option="--on-failure"),
    }
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    with client.connected(context) as api:
        if file is not None:
            body["params"][UPLOAD_PARAMETER] = api.upload("/uploads", file)["id"]
        given = {key: value for key, value in body.items() if value is not None}
        job = api.post(f"/jobs/{kind.name}", body=given, headers=headers)
        _report(api, job, wait=wait, shown=output_format)


def _report(api: ApiClient, job: Mapping[str, Json], *, wait: bool, shown: Format) -> None:
    if wait:
        job = watch.until_done(api, job["id"], quiet=shown is Format.JSON)
    if shown is Format.JSON:
        output.print_json(job)
    elif not wait:
        typer.echo(job["id"])
    if wait:
        raise typer.Exit(watch.exit_code(job))


def build_command(kind: JobKind) -> "Command":
    """The command of a kind: the common options, and one for each of its parameters."""
    shared = [
        parameter
        for name, parameter in inspect.signature(submit).parameters.items()
        if name not in ("kind", "params")
    ]
    taken = {parameter.name for parameter in shared}
    own = [parameter for parameter in kind.parameters if parameter.name not in taken]

    def run(**values: Json) -> None:
        params = {found.name: _value(found, values.pop(found.name)) for found in own}
        given = {name: value for name, value in params.items() if value is not None}
        submit(**values, kind=kind, params=given)

    context, named, *options = shared
    signature = inspect.Signature([context, named, *map(_option, own), *options])
    run.__signature__ = signature  # type: ignore[attr-defined]  # read by inspect
    run.__annotations__ = {name: found.annotation for name, found in signature.parameters.items()}
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(kind.name, help=kind.summary)(run)
    return typer.main.get_command(single)


_ANNOTATIONS: Mapping[ValueType, Any] = {  # Any: types as values
    ValueType.TEXT: str | None,
    ValueType.INTEGER: int | None,
    ValueType.NUMBER: float | None,
    ValueType.BOOLEAN: bool | None,
    ValueType.TEXTS: list[str] | None,
    ValueType.JSON: str | None,
}


def _option(found: Parameter) -> inspect.Parameter:
    option = typer.Option(found.flag, help=found.help)
    return inspect.Parameter(
        found.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[_ANNOTATIONS[found.value_type], option],
    )


def _value(found: Parameter, given: Json) -> Json:
    if found.value_type is not ValueType.JSON or given is None:
        return given if given != [] else None
    try:
        return json.loads(given)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{found.flag} is not JSON: {error}") from error
