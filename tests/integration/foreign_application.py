"""Workers of any tested release of Celery, for tests of applications that are not ours.

    with Started(folder=tmp_path, environment=dict(os.environ)) as started:
        shop = ForeignApplication(url=redis_url, folder=tmp_path, started=started, version="5.2.7",
                                  conf={"task_serializer": "pickle", "accept_content": ["pickle"]})
        worker = shop.worker("one", pool="gevent", concurrency=4)
        shop.send("hold", 1, shop.held())

The node is called `one@shop`. The fixture `start_shop` does the first line.
"""

import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from celery import Celery

from app.broker.connections.address import SentinelEntry, parse_address
from app.broker.link import Link
from app.broker.model import NodeName
from tests.integration import foreign_app
from tests.integration.processes import ROOT, Process, Started
from tests.tools import celery_versions

APP = "tests.integration.foreign_app"
HOST = "shop"

LOADED_ANSWER_LIMIT_S = 60.0
"""The default of 2 s is too short for a live worker on a machine that is busy with other tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line that a task has written: what happened to which task, when, and in which process."""

    what: str
    """`begin` or `end`."""
    number: int
    at_s: float
    pid: int


@dataclass(frozen=True, kw_only=True)
class ForeignApplication:
    """An application of some release of Celery. This process publishes as its client would."""

    url: str
    folder: Path
    started: Started | None = None
    """Starts its workers; None where something else does."""
    version: str = celery_versions.NEWEST
    conf: Mapping[str, object] = field(default_factory=dict)
    """Settings of Celery that differ from the defaults of `foreign_app`."""
    prefix: str = ""
    """Of all of its keys."""
    has_exchanges: bool = False
    """Whether it also has queues that are bound to exchanges of their own."""

    @property
    def environment(self) -> dict[str, str]:
        """For processes of this application that something else starts."""
        return self._environment({})

    def _environment(self, conf: Mapping[str, object]) -> dict[str, str]:
        options = {"broker_transport_options": {"global_keyprefix": self.prefix}}
        exchanges = {"SHOP_EXCHANGES": "yes"} if self.has_exchanges else {}
        return exchanges | {
            "SHOP_BROKER_URL": self.url,
            "SHOP_CONF": json.dumps({**(options if self.prefix else {}), **self.conf, **conf}),
            "SHOP_RECORDS": str(self.folder / "records"),
            # Celery refuses pickle to root, as whom containers and CI may run tests.
            "C_FORCE_ROOT": "1",
        }

    def worker(
        self,
        name: str,
        queues: Sequence[str] | None = None,
        *,
        pool: str = "threads",
        concurrency: int = 1,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        mingles: bool = False,
        conf: Mapping[str, object] | None = None,
    ) -> Process:
        """A ready worker, whose node is `name@shop`. `conf` are settings of this worker alone."""
        assert self.started is not None
        return self.started.worker(
            (self.default_queue,) if queues is None else queues,
            python=celery_versions.python(self.version),
            pool=pool,
            concurrency=concurrency,
            app=APP,
            arguments=("--hostname", f"{name}@{HOST}", *arguments),
            mingles=mingles,
            env={**self._environment(conf or {}), **(env or {})},
        )

    @property
    def default_queue(self) -> str:
        return str(self.conf.get("task_default_queue", "shop"))

    @asynccontextmanager
    async def link(
        self, url: str | None = None, *, answer_limit_s: float = LOADED_ANSWER_LIMIT_S
    ) -> AsyncIterator[Link]:
        """A link to its broker, by default over the URL of the application."""
        sentinel = SentinelEntry(master_name="main")
        address = parse_address(self.url if url is None else url, sentinel=sentinel)
        link = Link(address, key_prefix=self.prefix, clock=time.time, answer_limit_s=answer_limit_s)
        link.open()
        try:
            yield link
        finally:
            await link.close()

    def send(self, task: str, *args: object, **options: object) -> str:
        """Publish a task to the default queue, unless `options` name another; returns its id."""
        if "msgpack" in self.conf.values():
            return self._send_by_itself(task, args, options)
        with self.client() as client:
            return str(client.send_task(task, args=args, **options).id)

    def _send_by_itself(
        self, task: str, args: Sequence[object], options: Mapping[str, object]
    ) -> str:
        """Publish from the environment of that release: it has packages that ours does not need."""
        code = (
            f"import json, sys; from {APP} import app; "
            "name, args, options = json.loads(sys.argv[1]); "
            "print(app.send_task(name, args=args, **options).id)"
        )
        sent = subprocess.run(
            [celery_versions.python(self.version), "-c", code, json.dumps([task, args, options])],
            env={**os.environ, **self.environment, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        return sent.stdout.strip()

    def client(self) -> Celery:
        """A Celery application of this process with the same settings. Close it."""
        return foreign_app.build_app(self.environment)

    def held(self, name: str = "held") -> str:
        """The file that `hold` waits on; `release` lets it end."""
        path = self.folder / name
        path.touch()
        return str(path)

    def release(self, name: str = "held") -> None:
        (self.folder / name).unlink()

    def records(self, what: str) -> list[Record]:
        """What its tasks have written, in this order."""
        path = self.folder / "records"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [line.split() for line in lines]
        return [
            Record(what=kind, number=int(number), at_s=float(at), pid=int(pid))
            for kind, number, at, pid in found
            if kind == what
        ]


def node(name: str) -> NodeName:
    """The node of the worker of this name."""
    return NodeName(f"{name}@{HOST}")


def environment_of_naps(folder: Path, **conf: object) -> dict[str, str]:
    """For an application that `celeriac up` runs: its queue is `naps`, its records are in the
    folder. The broker is that of `up`."""
    settings = {"task_default_queue": "naps", "worker_concurrency": 2, **conf}
    return {"SHOP_CONF": json.dumps(settings), "SHOP_RECORDS": str(folder / "records")}
