"""No command tells a secret, whatever is wrong with the settings that hold it (issue 9)."""

import itertools
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from app.cli.application import application
from tests.conftest import OURS
from tests.integration.processes import Process
from tests.waiting import eventually

MARK = "m4rk3d"
"""A part of every password. Settings may cut or encode what stands around it."""

BROKERS = [
    "redis://:[m4rk3d]@h/0",
    "redis://:m4rk3d]@h/0",
    "redis://:x/m4rk3d@h/0",
    "redis://:m4rk3d#x@h/0",
    "redis://:x?m4rk3d@h/0",
    "redis://:x;m4rk3d@h/0",
    "redis://user:12/m4rk3d@h/0",
    "redis://:m4rk3d@h:port",
    "redis://:m4rk3d",
    "redis://:m4rk3d℀@h/0",
    "redis://:m4rk3d@[::1/0",
    "redis://:m4rk3d@127.0.0.1:1/main",
    "redis://:m4rk3d@127.0.0.1:1?db=1",
    "redis://127.0.0.1:1?password=m4rk3d",
    "redis://:m4rk3d@127.0.0.1:1;redis://:m4rk3d@127.0.0.1:2",
    "redis://:m4rk3d@127.0.0.1:1/0",
    "rediss://:m4rk3d@127.0.0.1:1?ssl_cert_reqs=maybe",
    "amqp://user:m4rk3d@127.0.0.1:1",
    "unix://:m4rk3d@/run/redis.sock",
    "sentinel://:m4rk3d@127.0.0.1:1",
    "m4rk3d",
]
DATABASES = [
    "postgresql://user:[m4rk3d]@127.0.0.1:1/d",
    "postgresql://user:x/m4rk3d@127.0.0.1:1/d",
    "postgresql://user:x@m4rk3d@127.0.0.1:1/d",
    "postgresql://user:m4rk3d",
    "postgresql://user:m4rk3d@127.0.0.1:port/d",
    "postgresql://127.0.0.1:1/d?password=m4rk3d",
    "mysql://user:m4rk3d@127.0.0.1:1/d",
    "sqlite://user:m4rk3d@h/d",
    "m4rk3d",
]
GUARDED = {
    "CELERY_BROKER_URL": "sentinel://:m4rk3d@127.0.0.1:1",
    "CELERIAC_SENTINEL_MASTER": "main",
    "CELERIAC_SENTINEL_PASSWORD": "m4rk3d",
}
OTHERS: list[Mapping[str, str]] = [
    GUARDED,
    {**GUARDED, "CELERIAC_SENTINEL_TLS": "m4rk3d"},
    {"CELERY_RESULT_BACKEND": "redis://:[m4rk3d]@127.0.0.1:1"},
    {"CELERY_RESULT_BACKEND": "db+postgresql://user:m4rk3d@127.0.0.1:port/d"},
    {"MONGODB_URL": "mongodb://user:x/m4rk3d@127.0.0.1:1/d"},
    {"MONGODB_URL": "m4rk3d"},
    {"STORAGE_URL": "nope://user:m4rk3d@h"},
    {"NOTIFY_WEBHOOK_SECRETS": "whsec_m4rk3d"},
    {"NOTIFY_WEBHOOK_URL": "http://user:m4rk3d@[h"},
    {"CELERIAC_FETCH_PROXY_URL": "http://user:m4rk3d@h:port"},
    {"SMTP_PORT": "m4rk3d", "SMTP_PASSWORD": "m4rk3d"},
    {"CELERIAC_SCHEDULES": '[{"m4rk3d'},
    {"DATABASE_POOL_SIZE": "m4rk3d"},
    {"CELERIAC_ADMIN_KEY": "m4rk3d"},
    {"CELERIAC_METRICS_KEY": "m4rk3d"},
    {"CELERIAC_MESSAGE_KEYS": "m4rk3d"},
    {"CELERIAC_OIDC_ISSUER": "http://user:m4rk3d@127.0.0.1:1"},
]
APIS = [
    "http://user:m4rk3d@127.0.0.1:1",
    "http://user:m4rk3d@127.0.0.1:port",
    "http://user:[m4rk3d]@127.0.0.1:1",
    "http://user:m4rk3d",
    "http://127.0.0.1:1?key=m4rk3d",
    "nope://user:m4rk3d@h",
]
KEYS = ["celeriac_m4rk3d", "m4rk3d\n", "m4rk3d\r\nX-Other: 1", "m4rk3d\u20ac"]

API = ["api", "--port", "0"]
WORKER = ["worker", "-q", "llm"]
BEAT = ["beat"]
EXPORTER = ["exporter", "--port", "0"]
CONSOLE = ["console", "--port", "0"]
UP = ["up", "--port", "0"]
OPERATOR = ["operator", "--namespace", "shop"]
CLIENTS = [
    *(["jobs", "list"], ["jobs", "get", "x"], ["jobs", "watch", "x"], ["jobs", "cancel", "x"]),
    *(["jobs", "retry", "x"], ["jobs", "submit", "report", "--day", "2026-01-01"]),
    *(["queues", "list"], ["queues", "watch"], ["pools", "list"], ["pools", "explain", "x"]),
    *(["pools", "crd"], ["chunks", "search", "x"], ["schedules", "list"]),
    *(["keys", "create", "--name", "x"], ["keys", "list"], ["keys", "revoke", "x"], ["env"]),
    *(["owners", "list"], ["owners", "erase", "x", "--yes"], ["queues", "values"]),
    *(["owners", "limits"], ["owners", "limits", "x", "--limit", "unfinished-jobs=1"]),
    *(["doctor"], ["doctor", "--broker", "redis://:m4rk3d@127.0.0.1:1/0"]),
    *(["audit", "list"], ["audit", "export"]),
]
AT_BROKER = [
    *(["queues", "show", "q"], ["queues", "pause", "q"], ["queues", "resume", "q", "-w", "a@b"]),
    *(["queues", "purge", "q", "--yes"], ["queues", "move", "q", "r", "--yes"]),
    *(["workers", "list"], ["workers", "show", "a@b"], ["workers", "grow", "a@b"]),
    *(["workers", "shrink", "a@b"], ["workers", "add-consumer", "q"]),
    *(["workers", "cancel-consumer", "q"], ["workers", "rate-limit", "t", "1/m"]),
    *(["workers", "time-limit", "t", "--hard", "9"], ["workers", "restart", "a@b", "--yes"]),
    *(["workers", "shutdown", "a@b", "--yes"], ["tasks", "running"], ["tasks", "why", "x"]),
    *(["tasks", "revoke", "x"], ["tasks", "list"], ["tasks", "show", "x"], ["tasks", "failures"]),
]

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "http://user:m4rk3d@127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: m4rk3d}}]
"""


def cases() -> Iterator[tuple[list[str], Mapping[str, str]]]:
    """Each setting with some commands, each command with some settings."""
    brokers = [{"CELERY_BROKER_URL": url} for url in BROKERS]
    databases = [{"DATABASE_URL": url} for url in DATABASES]
    apis = [{"CELERIAC_URL": url} for url in APIS]
    yield from _in_turn([EXPORTER], brokers)
    yield from _in_turn([CONSOLE], brokers)
    yield from zip(AT_BROKER, itertools.cycle(brokers), strict=False)
    yield from ((["queues", "list", "--broker", url], {}) for url in BROKERS[:3])
    yield from _in_turn([API, WORKER, BEAT, UP], brokers)
    yield from _in_turn([["db", "upgrade"]], databases)
    yield from _in_turn([API, WORKER, BEAT], databases)
    yield from _in_turn([API, WORKER, BEAT], OTHERS)
    yield from _in_turn([WORKER, EXPORTER, API], OTHERS)
    yield from _in_turn([UP], databases[:1])
    yield from _in_turn(CLIENTS[:1], apis)
    keys = [{"CELERIAC_API_KEY": key, "CELERIAC_URL": "http://127.0.0.1:1"} for key in KEYS]
    yield from _in_turn([["keys", "list"], ["jobs", "watch", "x"]], keys)
    yield from itertools.product(CLIENTS[1:], apis[:2])
    yield OPERATOR, {"KUBECONFIG": "good"}
    yield OPERATOR, {"KUBECONFIG": "bad"}
    yield OPERATOR, {"KUBECONFIG": "good", "CELERY_BROKER_URL": BROKERS[0]}


def _in_turn(
    commands: Sequence[list[str]], settings: Sequence[Mapping[str, str]]
) -> Iterator[tuple[list[str], Mapping[str, str]]]:
    yield from zip(itertools.cycle(commands), settings, strict=False)


def commands(found: Any, *path: str) -> Iterator[tuple[str, ...]]:  # click's, which has no types
    for name, command in getattr(found, "commands", {}).items():
        if getattr(command, "commands", None):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


def test_every_command_is_tried() -> None:
    tried = [tuple(arguments) for arguments, _ in cases()]
    every = list(commands(get_command(application)))

    assert [path for path in every if not any(each[: len(path)] == path for each in tried)] == []
    assert len(every) > 15


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What each case has left behind, by what it was."""
    root = tmp_path_factory.mktemp("told")
    (root / "good").write_text(KUBECONFIG)
    (root / "bad").write_text(f"users: [{{token: m4rk3d\n{KUBECONFIG}")
    clean = {name: text for name, text in os.environ.items() if not name.startswith(OURS)}
    found, given = {}, []
    for number, (arguments, settings) in enumerate(cases()):
        folder = root / f"case{number}"
        folder.mkdir()
        environment = {"CELERIAC_DATA_DIR": str(folder / "data"), **settings}
        if "KUBECONFIG" in settings:
            environment["KUBECONFIG"] = str(root / settings["KUBECONFIG"])
        found[f"{' '.join(arguments)} with {json.dumps(settings)}"] = folder
        given.append({"arguments": arguments, "environment": environment, "folder": str(folder)})
    (root / "cases.json").write_text(json.dumps(given))
    process = Process(
        [sys.executable, "-m", "tests.integration.forked_commands", str(root / "cases.json")],
        environment=clean,
        log=root / "driver",
    )
    try:
        eventually(lambda: not process.is_running, within_s=400, why="all commands have run")
        assert (process.exit_code, process.log) == (0, "")
    finally:
        process.kill()
    return found


def test_no_command_tells_a_secret(folders: dict[str, Path]) -> None:
    told = {
        case: [line for line in text.splitlines() if MARK in line][:3]
        for case, folder in folders.items()
        for path in folder.rglob("*")
        if path.is_file() and MARK in (text := path.read_text(errors="replace"))
    }

    assert told == {}


def test_every_broker_url_that_is_wrong_is_refused_by_a_line(folders: dict[str, Path]) -> None:
    outputs = {
        case: (folder / "output").read_text(errors="replace")
        for case, folder in folders.items()
        if case.startswith("exporter") and "CELERY_BROKER_URL" in case
    }
    refused = [text for text in outputs.values() if text.startswith("celeriac: ")]

    assert len(refused) >= len(BROKERS) - 2  # two of them are right, and nobody answers there
    assert [text for text in refused if "Traceback" in text] == []
