"""`celeriac jobs`: submit, list, show, follow, cancel and retry jobs."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from app.cli import client, option_values, output, submit, watch
from app.cli.output import Format, FormatOption
from app.errors import NotFound

Json = Any  # a JSON value: the type system has no better word for it

application = typer.Typer(help="Submit, list, follow, cancel and retry jobs.", no_args_is_help=True)
application.add_typer(submit.application, name="submit")

JobIdsArgument = Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids of the jobs.")]
JobIdArgument = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]


@application.command("list")
def list_jobs(
    context: typer.Context,
    *,
    pipeline: Annotated[str | None, typer.Option(help="Only jobs of this kind.")] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="Only jobs in this state: queued, running, succeeded, failed or cancelled."
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only jobs with this label. Repeatable."),
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Only children of this job.")] = None,
    created_after: Annotated[
        str | None, typer.Option(help="Only jobs created at this time or later (ISO 8601).")
    ] = None,
    created_before: Annotated[
        str | None, typer.Option(help="Only jobs created before this time (ISO 8601).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of jobs.")] = 20,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List jobs, newest first."""
    filters = {
        "pipeline": pipeline,
        "state": state,
        "label": [f"{key}={value}" for key, value in option_values.parse(label or ()).items()]
        or None,
        "parent": parent,
        "created_after": created_after,
        "created_before": created_before,
    }
    with client.connected(context) as api:
        found = list(api.pages("/jobs", params=filters, limit=limit))
    if output_format is Format.JSON:
        output.print_json(found)
        return
    columns = ("ID", "KIND", "STATE", "PROGRESS", "STAGE", "CREATED", "MESSAGE")
    output.print_table(columns, [_row(job) for job in found])


@application.command("get")
def get_job(
    context: typer.Context,
    job_id: JobIdArgument,
    *,
    runs: Annotated[
        bool, typer.Option("--runs", help="Also show each run: stage, worker, times and outcome.")
    ] = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show a job."""
    with client.connected(context) as api:
        job = api.get(path_of(job_id))
        history = api.get(f"{path_of(job_id)}/runs")["items"] if runs else []
    if output_format is Format.JSON:
        output.print_json({**job, "runs": history} if runs else job)
        return
    output.print_fields(_fields(job, api_url=api.url))
    if runs:
        typer.echo()
        output.print_table(_RUN_COLUMNS, [_run_row(run) for run in history])


@application.command("watch")
def watch_job(context: typer.Context, job_id: JobIdArgument) -> None:
    """Follow a job until it ends. Exit code: 0 if it succeeds, else 1. Ctrl-C leaves it running."""
    with client.connected(context) as api:
        api.get(path_of(job_id))  # reports an unknown job at once
        job = watch.until_done(api, job_id)
    raise typer.Exit(watch.exit_code(job))


@application.command("cancel")
def cancel_job(
    context: typer.Context,
    job_ids: JobIdsArgument,
    *,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Cancel jobs: queued ones at once, running ones as soon as their work stops."""
    _act(context, job_ids, "cancel", output_format)


@application.command("retry")
def retry_job(
    context: typer.Context,
    job_ids: JobIdsArgument,
    *,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Retry failed or cancelled jobs, from the stage where they ended."""
    _act(context, job_ids, "retry", output_format)


def _act(context: typer.Context, job_ids: Sequence[str], verb: str, shown: Format) -> None:
    """Act on each job. Refused jobs are reported and do not affect the others."""
    done, refused = [], []
    with client.connected(context) as api:
        for job_id in job_ids:
            try:
                done.append(api.post(f"{path_of(job_id)}:{verb}"))
            except (client.ApiRefused, NotFound) as error:
                refused.append(str(error))
    if shown is Format.JSON:
        output.print_json(done)
    elif done:
        columns = ("ID", "KIND", "STATE")
        output.print_table(columns, [(job["id"], job["pipeline"], job["state"]) for job in done])
    for reason in refused:
        output.error(reason)
    if refused:
        raise typer.Exit(1)


def path_of(job_id: str) -> str:
    """The job's path in the API. Raises NotFound if the id is invalid."""
    try:
        return f"/jobs/{uuid.UUID(job_id)}"
    except ValueError:
        raise NotFound(f"no job {job_id!r}: 'celeriac jobs list' shows the ids") from None


def _row(job: Mapping[str, Json]) -> tuple[object, ...]:
    error = job["error"] or {}
    return (
        job["id"],
        job["pipeline"],
        job["state"],
        f"{job['progress']:.0f} %",
        job["stage"],
        output.moment(job["created_at"]),
        error.get("message") or job["message"],
    )


def _fields(job: Mapping[str, Json], *, api_url: str) -> list[tuple[str, object]]:
    error = job["error"]
    attempts = f"{job['attempt']} of {job['max_attempts']}"
    return [
        ("id", job["id"]),
        ("kind", job["pipeline"]),
        ("state", job["state"]),
        ("stage", f"{job['stage']} (attempt {attempts})"),
        ("progress", f"{job['progress']:.0f} % {job['message']}".rstrip()),
        ("error", output.error_text(error)),
        ("params", option_values.shown(job["params"])),
        ("labels", option_values.shown(job["labels"])),
        (
            "result",
            option_values.shown(job["result"])
            if isinstance(job["result"], dict)
            else job["result"],
        ),
        ("parent", job["parent_id"]),
        ("children", watch.children(job)),
        ("created", output.moment(job["created_at"])),
        ("not before", output.moment(job["not_before"])),
        ("started", output.moment(job["started_at"])),
        ("finished", output.moment(job["finished_at"])),
        *(
            ("artifact", f"{api_url}{found['url']}  ({found['size_bytes']} bytes)")
            for found in job["artifacts"]
        ),
    ]


_RUN_COLUMNS = ("STAGE", "ATTEMPT", "OUTCOME", "STARTED", "ENDED", "WORKER", "PID", "ERROR")


def _run_row(run: Mapping[str, Json]) -> tuple[object, ...]:
    error = run["error"]
    return (
        run["stage"],
        run["attempt"],
        run["outcome"] or "running",
        output.moment(run["started_at"]),
        output.moment(run["ended_at"]),
        run["worker"],
        run["pid"],
        output.error_text(error),
    )
