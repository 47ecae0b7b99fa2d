"""`celeriac pools` on a machine without a cluster."""

import json
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner, Result

from app.cli import application
from app.control.report import pool_snapshot
from app.control.report.pool_snapshot import PoolSnapshot
from app.errors import CeleriacError, NotFound
from tests.integration.serving import Server
from tests.pool_status import build_pool_status


@pytest.fixture
def posted(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pool that a loop on this machine has posted; no cluster anywhere."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    status = build_pool_status(explanation=("two replicas for seven messages",))
    board_now = PoolSnapshot(posted_at_s=0.0, pools={"documents": status})
    redis_client.set(pool_snapshot.KEY, pool_snapshot.dump_snapshot(board_now))


def celeriac(server: Server, *arguments: str) -> Result:
    """In this process: what a process would add is tested elsewhere, and takes its time."""
    return CliRunner().invoke(application.application, ["--api-url", server.url, *arguments])


@pytest.mark.usefixtures("posted")
def test_without_a_cluster_the_pools_of_this_machine_are_told(server: Server) -> None:
    table = celeriac(server, "pools", "list").output.split()
    assert [table[0], *table[8:]] == ["NAME", "documents", "Following", "2", "1", "2", "7"]
    output = celeriac(server, "pools", "explain", "documents").output
    assert "backlog   7" in output
    assert output.endswith("why:\n  two replicas for seven messages\n")


@pytest.mark.usefixtures("posted")
def test_programs_get_what_the_api_says(server: Server) -> None:
    found = json.loads(celeriac(server, "pools", "list", "--output", "json").output)
    assert [(pool["name"], pool["replicas"]) for pool in found] == [("documents", 2)]


@pytest.mark.usefixtures("posted")
def test_a_kubeconfig_for_something_else_can_be_left_aside(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    assert "documents" in celeriac(server, "pools", "list", "--local").output
    assert isinstance(celeriac(server, "pools", "list").exception, CeleriacError)


@pytest.mark.usefixtures("posted")
def test_an_unknown_pool_is_refused_with_those_that_there_are(server: Server) -> None:
    found = celeriac(server, "pools", "explain", "docs")
    assert isinstance(found.exception, NotFound)
    assert "known pools: documents" in str(found.exception)
