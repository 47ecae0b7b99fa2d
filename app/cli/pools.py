"""`celeriac pools`: the worker pools of a cluster or of this machine, and why they have their size.

Without access to a cluster, the pools are those of this machine. They come from the API, or from
the status file of a `celeriac up` that runs another application.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import client, output, running
from app.cli.output import Format, FormatOption
from app.errors import NotFound

if TYPE_CHECKING:
    from app.control.pool.status import PoolStatus
    from app.operator.kubernetes.apiserver import ApiServer

Manifest = Mapping[str, Any]  # a WorkerPool as the API server returns it

COLUMNS = (
    *("NAMESPACE", "NAME", "STATE", "REPLICAS", "DESIRED", "MIN", "MAX"),
    *("QUEUES", "BACKLOG", "ACTIVE", "WAIT", "READY", "REASON"),
)

Pool = Mapping[str, Any]  # a PoolView as the API returns it

LOCAL_COLUMNS = ("NAME", "STATE", "REPLICAS", "READY", "DESIRED", "BACKLOG", "ACTIVE", "WAIT")

application = typer.Typer(help="Show the worker pools.", no_args_is_help=True)

NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="Namespace of the pools. Default: that of the kubeconfig."
    ),
]
ContextOption = Annotated[
    str | None,
    typer.Option("--context", help="Context of the kubeconfig. Default: the current one."),
]
LocalOption = Annotated[
    bool,
    typer.Option("--local", help="Show the pools of this machine, or of the API of --api-url."),
]


@application.command("list")
def list_pools(
    root: typer.Context,
    *,
    namespace: NamespaceOption = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="List the pools of all namespaces.")
    ] = False,
    context: ContextOption = None,
    local: LocalOption = False,
    data_dir: running.DataDirOption = running.DEFAULT_DATA_DIR,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List the pools: state, size and backlog."""
    is_local = local or not (all_namespaces or _has_cluster(namespace, context=context))
    if is_local:
        pools = _read_local(root, folder=data_dir)
    else:
        pools = asyncio.run(_read_all(namespace, context=context, is_everywhere=all_namespaces))
    if output_format is Format.JSON:
        output.print_json(pools)
    elif is_local:
        output.print_table(LOCAL_COLUMNS, [_local_row(pool) for pool in pools])
    else:
        output.print_table(COLUMNS, [_row(pool) for pool in pools])


@application.command("explain")
def explain(
    root: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the pool.")],
    *,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    local: LocalOption = False,
    data_dir: running.DataDirOption = running.DEFAULT_DATA_DIR,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Explain the size of a pool."""
    is_local = local or not _has_cluster(namespace, context=context)
    if is_local:
        pool = _get_local(root, name, folder=data_dir)
    else:
        pool = asyncio.run(_read_one(name, namespace, context=context))
    if output_format is Format.JSON:
        output.print_json(pool)
    elif is_local:
        output.print_fields(_local_facts(pool))
        _print_lines("why", pool["explanation"])
        _print_lines("conditions", [condition_line(each) for each in pool["conditions"]])
    else:
        _print_explanation(pool)


@application.command("crd")
def print_definition() -> None:
    """Print the CustomResourceDefinition of WorkerPools, for kubectl apply --server-side -f -."""
    from app.operator import crd  # only this command needs the models

    typer.echo(crd.manifest(), nl=False)


async def _read_all(
    namespace: str | None, *, context: str | None, is_everywhere: bool
) -> list[Manifest]:
    from app.control.pool import spec
    from app.operator.kubernetes.apiserver import object_path

    async with _server(context) as server:
        where = None if is_everywhere else namespace or server.namespace or "default"
        path = object_path(spec.API_VERSION, spec.PLURAL, namespace=where)
        return [pool async for page in server.pages(path) for pool in page.get("items") or ()]


async def _read_one(name: str, namespace: str | None, *, context: str | None) -> Manifest:
    from app.control.pool import spec
    from app.operator.kubernetes.apiserver import object_path

    async with _server(context) as server:
        where = namespace or server.namespace or "default"
        path = object_path(spec.API_VERSION, spec.PLURAL, namespace=where, name=name)
        return await server.get(path)


def _has_cluster(namespace: str | None, *, context: str | None) -> bool:
    """Whether the options name a cluster, or credentials for one exist."""
    if namespace is not None or context is not None:
        return True
    from app.operator.kubernetes import credentials

    found = credentials.find_login(os.environ, home=Path.home())
    return found.service_account is not None or bool(found.kubeconfigs)


def _server(context: str | None) -> "ApiServer":
    from app.operator.kubernetes import credentials
    from app.operator.kubernetes.apiserver import ApiServer

    return ApiServer(credentials.find_login(os.environ, home=Path.home(), context=context))


def _row(pool: Manifest) -> tuple[object, ...]:
    meta, status = pool["metadata"], pool.get("status") or {}
    shown = status.get("columns") or {}
    ready = _condition(pool, "Ready")
    return (
        meta["namespace"],
        meta["name"],
        shown.get("state"),
        status.get("replicas"),
        status.get("desiredReplicas"),
        status.get("minReplicas"),
        status.get("maxReplicas"),
        shown.get("queues"),
        shown.get("backlog"),
        status.get("activeTasks"),
        shown.get("wait"),
        ready.get("status", "Unknown"),
        ready.get("reason"),
    )


def _print_explanation(pool: Manifest) -> None:
    status = pool.get("status") or {}
    if not status:
        typer.echo("no operator has reported a status of this pool yet")
        return
    output.print_fields(_facts(pool))
    for queue in status.get("queues") or ():
        output.print_line(f"queue {queue['name']}: {_queue_facts(queue)}")
    _print_lines("why", status.get("explanation") or ())
    _print_lines("conditions", [condition_line(each) for each in status.get("conditions") or ()])


def _facts(pool: Manifest) -> list[tuple[str, object]]:
    meta, status = pool["metadata"], pool["status"]
    target = pool["spec"]["scaleTargetRef"]
    return [
        ("pool", f"{meta['namespace']}/{meta['name']} (mode {status.get('mode')})"),
        ("state", (status.get("columns") or {}).get("state")),
        ("target", f"{target['kind']} {target['name']}"),
        ("replicas", status.get("replicas")),
        ("ready", status.get("readyReplicas")),
        ("desired", status.get("desiredReplicas")),
        ("draining", status.get("drainingReplicas")),
        ("slots/replica", status.get("slotsPerReplica")),
        ("bounds", _bounds(status)),
        ("backlog", status.get("backlog")),
        ("held", status.get("held")),
        ("active", status.get("activeTasks")),
        ("wait", output.seconds(status.get("queueWaitSeconds"))),
        ("arrivals", output.rate(status.get("arrivalRate"))),
        ("run time", output.seconds(status.get("meanRuntimeSeconds"))),
        ("last scaled", output.moment(status.get("lastScaleTime"))),
    ]


def _bounds(status: Manifest) -> str | None:
    lowest, highest = status.get("minReplicas"), status.get("maxReplicas")
    return f"{lowest} to {highest}" if lowest is not None and highest is not None else None


def _queue_facts(queue: Manifest) -> str:
    facts = (("ready", "ready"), ("unacked", "unacked"), ("scheduled", "scheduled"))
    known = [f"{queue[key]} {word}" for key, word in facts if queue.get(key) is not None]
    age = output.seconds(queue.get("oldestAgeSeconds"))
    return ", ".join([*known, *([f"the oldest waits for {age}"] if age else [])])


def _print_lines(title: str, lines: Sequence[str]) -> None:
    if lines:
        typer.echo(f"\n{title}:")
    for line in lines:
        output.print_line(f"  {line}")


def _condition(pool: Manifest, kind: str) -> Manifest:
    conditions = (pool.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), {})


def condition_line(condition: Manifest) -> str:
    state = f"{condition['type']}={condition['status']}"
    return f"{state}  {condition['reason']}: {condition['message']}"


def _read_local(root: typer.Context, *, folder: Path) -> list[Pool]:
    up = running.find(root, folder)
    if up is not None and up.api_url is None:
        return [local_view(name, up.pools[name]) for name in sorted(up.pools)]
    with client.connected(root, folder=folder) as api:
        found: list[Pool] = api.get("/pools")["items"]
    return found


def _get_local(root: typer.Context, name: str, *, folder: Path) -> Pool:
    """Raises NotFound."""
    pools = {str(pool["name"]): pool for pool in _read_local(root, folder=folder)}
    if name not in pools:
        known = ", ".join(pools) or "none"
        raise NotFound(f"no pool {name!r} on this machine; known pools: {known}")
    return pools[name]


def local_view(name: str, status: "PoolStatus") -> Pool:
    """A pool as the API would return it."""
    from app.control.report.pool_snapshot import PoolView  # imports pydantic

    return PoolView.of(name, status).model_dump(mode="json")


def _local_row(pool: Pool) -> tuple[object, ...]:
    return (
        pool["name"],
        pool["state"],
        pool["replicas"],
        pool["ready_replicas"],
        pool["desired_replicas"],
        pool["backlog"],
        pool["active_tasks"],
        output.seconds(pool["queue_wait_seconds"]),
    )


def _local_facts(pool: Pool) -> list[tuple[str, object]]:
    return [
        ("pool", f"{pool['name']} ({pool['mode']})"),
        ("state", pool["state"]),
        ("replicas", pool["replicas"]),
        ("ready", pool["ready_replicas"]),
        ("desired", pool["desired_replicas"]),
        ("draining", pool["draining_replicas"]),
        ("backlog", pool["backlog"]),
        ("active", pool["active_tasks"]),
        ("wait", output.seconds(pool["queue_wait_seconds"])),
        ("arrivals", output.rate(pool["arrival_rate"])),
        ("run time", output.seconds(pool["mean_runtime_seconds"])),
    ]
