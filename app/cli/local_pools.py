"""The pools of a platform on this machine, as its API tells them."""

from collections.abc import Mapping
from typing import Any

import typer

from app.cli import client, output
from app.errors import NotFound

Pool = Mapping[str, Any]  # a PoolView as the API sends it

COLUMNS = ("NAME", "MODE", "REPLICAS", "READY", "DESIRED", "BACKLOG", "ACTIVE", "WAIT")


def read_all(root: typer.Context) -> list[Pool]:
    with client.connected(root) as api:
        found: list[Pool] = api.get("/pools")["items"]
    return found


def get(root: typer.Context, name: str) -> Pool:
    """Raises NotFound."""
    pools = {str(pool["name"]): pool for pool in read_all(root)}
    if name not in pools:
        known = ", ".join(pools) or "none"
        raise NotFound(f"no pool {name!r} on this machine; there are: {known}")
    return pools[name]


def row(pool: Pool) -> tuple[object, ...]:
    return (
        pool["name"],
        pool["mode"],
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
