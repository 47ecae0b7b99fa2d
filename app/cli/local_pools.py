"""The pools of a platform on this machine, as its API tells them; those of another application as
the file of `celeriac up` does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from app.cli import client, output, running
from app.errors import NotFound

if TYPE_CHECKING:
    from app.control.pool.status import PoolStatus

Pool = Mapping[str, Any]  # a PoolView as the API sends it

COLUMNS = ("NAME", "STATE", "REPLICAS", "READY", "DESIRED", "BACKLOG", "ACTIVE", "WAIT")


def read_all(root: typer.Context, *, folder: Path) -> list[Pool]:
    up = running.find(root, folder)
    if up is not None and up.api_url is None:
        return [view(name, up.pools[name]) for name in sorted(up.pools)]
    with client.connected(root, folder=folder) as api:
        found: list[Pool] = api.get("/pools")["items"]
    return found


def get(root: typer.Context, name: str, *, folder: Path) -> Pool:
    """Raises NotFound."""
    pools = {str(pool["name"]): pool for pool in read_all(root, folder=folder)}
    if name not in pools:
        known = ", ".join(pools) or "none"
        raise NotFound(f"no pool {name!r} on this machine; there are: {known}")
    return pools[name]


def view(name: str, status: "PoolStatus") -> Pool:
    """A pool as the API would send it."""
    return {
        "name": name,
        "state": status.state,
        "mode": status.mode,
        "replicas": status.replicas,
        "ready_replicas": status.ready_replicas,
        "desired_replicas": status.desired_replicas,
        "draining_replicas": status.draining_replicas,
        "backlog": status.backlog,
        "active_tasks": status.active_tasks,
        "arrival_rate": status.arrival_rate,
        "mean_runtime_seconds": status.mean_runtime_s,
        "queue_wait_seconds": status.queue_wait_s,
        "explanation": list(status.explanation),
        "conditions": [
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message,
            }
            for condition in status.conditions
        ],
    }


def condition_lines(pool: Pool) -> Sequence[str]:
    """A line for each condition, as for the pools of a cluster."""
    return [
        f"{one['type']}={one['status']}  {one['reason']}: {one['message']}"
        for one in pool["conditions"]
    ]


def row(pool: Pool) -> tuple[object, ...]:
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


def facts(pool: Pool) -> list[tuple[str, object]]:
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
