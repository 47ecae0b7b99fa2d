"""Any Celery application: each tested release, with every pool class, in each serializer.

A cell is a release and a serializer; its pools, each of another class, run side by side in one
`celeriac up` over unchanged workers of that release. All classes run with the oldest and the newest
release; the other cells have those whose outcome could depend on what is different in them.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration import foreign_application
from tests.integration.foreign_application import ForeignApplication
from tests.integration.local.conftest import StartUp, Up
from tests.integration.processes import ROOT, Started
from tests.tools import celery_versions
from tests.waiting import eventually

BETWEEN = tuple(
    version
    for version in celery_versions.VERSIONS
    if version not in (celery_versions.OLDEST, celery_versions.NEWEST)
)
SLOTS = 2
SLOTS_OF = {"prefork": SLOTS, "threads": SLOTS, "solo": 1, "gevent": SLOTS, "eventlet": SLOTS}
"""Pool classes, and how many tasks their workers run at once."""
EVERY = tuple(SLOTS_OF)
CELLS = [
    (celery_versions.OLDEST, "json", EVERY),
    (celery_versions.NEWEST, "json", EVERY),
    # Each of them starts and talks in another way: in processes, silent while busy, patched.
    *((version, "json", ("prefork", "solo", "gevent")) for version in BETWEEN),
    *(
        (version, serializer, ("prefork", "solo"))
        for version in (celery_versions.OLDEST, celery_versions.NEWEST)
        for serializer in ("pickle", "msgpack")
    ),
]
"""Releases, serializers, and the classes of their pools."""

POOL = """
apiVersion: celeriac.dev/v1alpha1
kind: WorkerPool
metadata: {name: KIND, annotations: {celeriac.dev/celery-pool: KIND}}
spec:
  scaleTargetRef: {name: KIND}
  queues: [KIND]
  maxReplicas: 2
  pollingIntervalSeconds: 1
  cooldownPeriodSeconds: 1
  behavior: {scaleDown: {stabilizationWindowSeconds: 1}}
---
"""

CLIENT = f"""
import json, operator, sys
from {foreign_application.APP} import app
for method, args, options in json.loads(sys.argv[1]):
    operator.attrgetter(method)(app)(*args, **options)
"""
Call = list[Any]
"""A method of the application, its arguments and its options."""

NUMBERS_A_KIND = 10
UNWANTED, FIRST, LONG, SHORT = 0, 1, 2, (3, 4, 5)
"""Tasks of a kind: revoked; there alone at first; one that outlasts a drain; the others."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A release and a serializer at work."""

    up: Up
    shop: ForeignApplication
    kinds: tuple[str, ...]

    def send(self, *tasks: tuple[str, int, object]) -> None:
        """Publish these tasks (name, number, argument) to the pool of each kind."""
        self._call(
            [
                "send_task",
                [task],
                {
                    "args": [self.number(kind, what), argument],
                    "queue": kind,
                    "task_id": self.task_id(kind, what),
                },
            ]
            for kind in self.kinds
            for task, what, argument in tasks
        )

    def _call(self, calls: Iterable[Call]) -> None:
        """As a client of that release and with that serializer, for which ours lacks packages."""
        subprocess.run(
            [celery_versions.python(self.shop.version), "-c", CLIENT, json.dumps(list(calls))],
            env={**os.environ, **self.shop.environment, "PYTHONPATH": str(ROOT)},
            check=True,
        )

    def number(self, kind: str, what: int) -> int:
        return NUMBERS_A_KIND * self.kinds.index(kind) + what

    def task_id(self, kind: str, what: int) -> str:
        return f"{kind}-{what}"

    def numbers(self, *what: int) -> list[int]:
        return sorted(self.number(kind, one) for kind in self.kinds for one in what)

    def free_numbers(self, *what: int) -> set[int]:
        """The same without solo: a solo worker may have fetched one task behind another."""
        return {self.number(kind, one) for kind in self.kinds if kind != "solo" for one in what}

    def records(self, what: str) -> list[int]:
        return sorted(record.number for record in self.shop.records(what))

    def replicas(self) -> dict[str, int | None]:
        pools = self.up.pools()
        return {kind: pools[kind].replicas if kind in pools else None for kind in self.kinds}

    def wait_for(self, reached: Callable[[], bool], *, why: str) -> None:
        eventually(reached, within_s=120, why=f"{why}; replicas are {self.replicas()}")

    def wait_for_replicas(self, count: int) -> None:
        """Until each pool has so many."""
        want = dict.fromkeys(self.kinds, count)
        self.wait_for(lambda: self.replicas() == want, why=f"{count} replicas each")

    def wait_for_shrinking(self) -> None:
        """Until each pool has one replica. A solo worker that holds a short task behind its long
        one is still needed beside the other."""

        def reached() -> bool:
            ended, replicas = set(self.records("end")), self.replicas()
            holds = {
                kind
                for kind in self.kinds
                if not {self.number(kind, short) for short in SHORT} <= ended
            }
            return all(replicas[kind] == (2 if kind in holds else 1) for kind in self.kinds)

        self.wait_for(reached, why="1 replica each")

    def has_learnt_slots(self) -> bool:
        """A solo worker answers no question while it runs its task."""
        slots = {kind: pool.slots_per_replica for kind, pool in self.up.pools().items()}
        return all(slots[kind] == SLOTS_OF[kind] for kind in self.kinds if kind != "solo")

    def revoke(self) -> None:
        """Revoke a task of each kind, while no worker runs."""
        task_ids = [self.task_id(kind, UNWANTED) for kind in self.kinds]
        kept = self.up.data_dir / "revoked.json"

        def is_kept() -> bool:
            self._call([["control.revoke", [task_ids], {}]])
            return kept.exists() and all(one in kept.read_text() for one in task_ids)

        eventually(is_kept, why="the revoke is heard")


@pytest.fixture
def cell(request: pytest.FixtureRequest, start_up: StartUp, tmp_path: Path) -> Iterator[Cell]:
    version, serializer, kinds = request.param
    conf = {
        "worker_concurrency": SLOTS,
        "task_serializer": serializer,
        "result_serializer": serializer,
        "event_serializer": serializer,
        "accept_content": [serializer],
    }
    manifest = tmp_path / "pools.yaml"
    manifest.write_text("".join(POOL.replace("KIND", kind) for kind in kinds))
    with Started(folder=tmp_path, environment={}) as started:
        shop = ForeignApplication(
            url="", folder=tmp_path, started=started, version=version, conf=conf
        )
        up = start_up(
            env=shop.environment,
            celery_app=foreign_application.APP,
            python=str(celery_versions.python(version)),
            pool_files=[str(manifest)],
            cooldown_s=None,
            max_workers=20,
        )
        up.wait_until_up()
        yield Cell(up=up, shop=replace(shop, url=up.broker_url), kinds=kinds)


@pytest.mark.parametrize(
    "cell",
    CELLS,
    indirect=True,
    ids=lambda cell: " ".join(cell[:2]),
)
def test_pools_of_every_class_grow_drain_and_go_to_zero_without_losing_a_task(cell: Cell) -> None:
    first, long, short = (cell.shop.held(name) for name in ("first", "long", "short"))

    cell.revoke()
    cell.send(("nap", UNWANTED, 0), ("hold", FIRST, first))
    cell.wait_for(lambda: cell.records("begin") == cell.numbers(FIRST), why="the first ones begin")
    cell.wait_for(cell.has_learnt_slots, why="slots are learnt")

    # No pool is idle meanwhile: it would drain, and a busy solo worker cannot say that it resumed.
    cell.send(("hold", LONG, long), *(("hold", number, short) for number in SHORT))
    cell.shop.release("first")
    cell.wait_for_replicas(2)
    cell.wait_for(
        lambda: cell.free_numbers(LONG) <= set(cell.records("begin")), why="the long ones begin"
    )

    cell.shop.release("short")
    cell.wait_for(
        lambda: cell.free_numbers(FIRST, *SHORT) <= set(cell.records("end")), why="the others end"
    )
    cell.wait_for_shrinking()
    assert set(cell.numbers(LONG)).isdisjoint(cell.records("end"))  # they still run

    cell.shop.release("long")
    cell.wait_for_replicas(0)
    cell.wait_for(lambda: cell.up.workers() == set(), why="the processes have ended")
    every = cell.numbers(FIRST, LONG, *SHORT)
    assert (cell.records("begin"), cell.records("end")) == (every, every)
