"""Clients learn nothing of our servers from errors: no host, no port, no words of a driver."""

import logging

import pytest

from tests.integration import serving
from tests.integration.api import asking
from tests.ports import free_port

HIDDEN = "localhost"
"""How the settings name the broker and the database. Clients name the API by its address."""


@pytest.fixture
def ports(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Of a broker and a database that do not answer."""
    broker, database = free_port(), free_port()
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://user:secret@{HIDDEN}:{broker}/0")
    monkeypatch.setenv(
        "DATABASE_URL", f"postgresql://user:secret@{HIDDEN}:{database}/private?connect_timeout=2"
    )
    return broker, database


PATHS = ("/readyz", "/api/v1/jobs", "/api/v1/queues", "/api/v1/pools", "/api/v1/owners", "/")


@pytest.mark.parametrize("path", PATHS)
def test_no_route_names_a_server_that_does_not_answer(
    ports: tuple[int, int], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        serving.serve(serving.platform_from_environment()) as api,
    ):
        answer = api.http.get(path)

    for hidden in (HIDDEN, *map(str, ports), "psycopg", "private", "secret", "Error 111"):
        assert hidden not in answer.text
    if answer.status_code == 503:  # the log has it
        reasons = " ".join(str(getattr(record, "reason", "")) for record in caplog.records)
        assert any(str(port) in reasons for port in ports)


def test_submits_and_uploads_name_none_either(ports: tuple[int, int]) -> None:
    with serving.serve(serving.platform_from_environment()) as api:
        submit = api.http.post(asking.JOBS + "/notification", json={"params": {}})
        upload = api.http.post("/api/v1/uploads", files={"file": ("a.txt", b"text")})

    assert upload.status_code == 503
    for answer in (submit, upload):
        assert not any(hidden in answer.text for hidden in (HIDDEN, *map(str, ports), "private"))
