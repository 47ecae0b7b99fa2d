"""The process that makes workers: what it carries into a fork, and what becomes of its children."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.local.processes.celery_processes import LogFile, OutputPipe
from app.local.processes.zygote_client import (
    CeleryCommand,
    ForkedProcess,
    NotImportable,
    ZygoteClient,
)
from tests.integration import foreign_application
from tests.tools import celery_versions
from tests.waiting import eventually_async


def worker_of(pool: str) -> CeleryCommand:
    return CeleryCommand(
        arguments=("worker", "--pool", pool, "--concurrency", "1", "--loglevel", "INFO"),
        title="celeriac: worker orders-1",
    )


WORKER = worker_of("threads")
STOCK = foreign_application.APP


class Scene:
    """A zygote, and the output of all that it makes."""

    def __init__(self, link: ZygoteClient, log: LogFile) -> None:
        self.link = link
        self._log = log

    @property
    def output(self) -> str:
        return self._log.path.read_text(errors="replace")

    async def ready_worker(self, command: CeleryCommand = WORKER) -> ForkedProcess:
        pipe = OutputPipe(self._log, on_line=lambda line: None)
        worker = await self.link.start(command, output_fd=pipe.write_fd)
        pipe.close_write_end()
        await eventually_async(lambda: " ready." in self.output, why="the worker is ready")
        return worker


@asynccontextmanager
async def zygote(
    celery_app: str,
    environment: dict[str, str],
    folder: Path,
    *,
    modules: Sequence[str] = (),
    python: str = sys.executable,
) -> AsyncIterator[Scene]:
    log = LogFile(folder / "output.log")
    pipe = OutputPipe(log, on_line=lambda line: None)
    link = ZygoteClient(
        celery_app,
        python=python,
        modules=modules,
        environment={**os.environ, **environment},
        output_fd=pipe.write_fd,
    )
    pipe.close_write_end()
    try:
        yield Scene(link, log)
    finally:
        await link.close()
        log.close()


def zygote_of(worker: ForkedProcess) -> int:
    return int(Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[1])


def threads_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def shown_by_proc(worker: ForkedProcess, name: str) -> bytes:
    return Path(f"/proc/{worker.pid}/{name}").read_bytes()


def title_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def sockets_of(pid: int) -> int:
    folder = Path(f"/proc/{pid}/fd")
    return sum(os.readlink(entry).startswith("socket:") for entry in folder.iterdir())


def test_our_own_application_brings_no_thread_and_no_connection_into_a_fork(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async def scenario() -> None:
        own = zygote("app.celery_app", environment, tmp_path, modules=["app.celery_app"])
        async with own as scene:
            assert (await scene.link.application()).is_warm
            parent = zygote_of(await scene.ready_worker())
            assert threads_of(parent) == 1
            assert sockets_of(parent) == 3  # the link to us, and its own pair for signals

    asyncio.run(scenario())


def test_a_worker_is_a_process_of_its_own_that_ends_when_it_is_told(
    redis_url: str, tmp_path: Path
) -> None:
    async def scenario() -> int:
        async with zygote(STOCK, {"CELERY_BROKER_URL": redis_url}, tmp_path) as scene:
            worker = await scene.ready_worker()
            assert os.getsid(worker.pid) == worker.pid
            assert shown_by_proc(worker, "comm") == b"celery worker\n"
            assert title_of(worker.pid) == "celeriac: worker orders-1"
            assert title_of(zygote_of(worker)) == "celeriac: zygote"
            worker.signal(signal.SIGTERM)
            return await worker.wait()

    assert asyncio.run(scenario()) == 0


THREAD = (
    "import threading, time\nthreading.Thread(target=time.sleep, args=(999,), daemon=True).start()"
)
GEVENT = "from gevent import monkey\nmonkey.patch_all()"


@pytest.mark.parametrize(
    ("first_lines", "pool"),
    [
        pytest.param(THREAD, "threads", id="it starts a thread"),
        pytest.param(GEVENT, "gevent", id="it patches the standard library"),
    ],
)
def test_an_application_that_a_fork_would_harm_starts_anew_each_time(
    first_lines: str, pool: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop.py").write_text(f"{first_lines}\nfrom celery import Celery\napp = Celery()\n")
    monkeypatch.chdir(tmp_path)
    python = str(celery_versions.python(celery_versions.NEWEST))  # gevent is installed there

    async def scenario() -> None:
        environment = {"CELERY_BROKER_URL": redis_url}
        async with zygote("shop", environment, tmp_path, python=python) as scene:
            assert not (await scene.link.application()).is_warm
            worker = await scene.ready_worker(worker_of(pool))
            assert b"-m\0celery\0-A\0shop\0worker" in shown_by_proc(worker, "cmdline")
            assert threads_of(zygote_of(worker)) == 1
            worker.signal(signal.SIGTERM)
            assert await worker.wait() == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("version", celery_versions.VERSIONS)
def test_an_application_in_another_environment_tells_its_release_and_its_queues(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop.py").write_text(
        "from celery import Celery\nfrom kombu import Queue\nfrom kombu.common import Broadcast\n"
        "app = Celery()\napp.conf.update(worker_pool='solo',\n"
        "    task_queues=[Queue('orders'), Queue('invoices'), Broadcast('news', queue='news-1')],\n"
        "    task_routes={'shop.send_*': {'queue': 'mails'}})\n"
        "@app.task\ndef send_mail(): pass\n"
        "@app.task(queue='prints')\ndef print_label(): pass\n"
    )
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        python = str(celery_versions.python(version))
        async with zygote("shop", {}, tmp_path, python=python) as scene:
            found = await scene.link.application()
            assert (found.version, found.pool) == (version, "solo")
            assert found.queues == ("orders", "invoices", "prints", "mails")
            assert len(found.fanout_queues) == 1

    asyncio.run(scenario())


def test_an_import_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no luck')")
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        async with zygote("broken", {}, tmp_path) as scene:
            await scene.link.application()

    with pytest.raises(NotImportable, match="'broken' cannot be imported: RuntimeError: no luck"):
        asyncio.run(scenario())


def test_the_children_of_a_zygote_end_with_it(redis_url: str, tmp_path: Path) -> None:
    async def scenario() -> int:
        async with zygote(STOCK, {"CELERY_BROKER_URL": redis_url}, tmp_path) as scene:
            worker = await scene.ready_worker()
            os.kill(zygote_of(worker), signal.SIGKILL)
            code = await worker.wait()
            gone = Path(f"/proc/{worker.pid}")
            await eventually_async(lambda: not gone.exists(), why="the kernel has ended it")
            return code

    assert asyncio.run(scenario()) == -signal.SIGKILL
