"""What our Celery application is told of its broker, held to what Celery and kombu make of it."""

from typing import Any

import pytest
from celery import Celery
from pydantic import SecretStr

from app.errors import InvalidInput
from app.jobs.celery import connections
from app.settings import BrokerSettings

SENTINELS = BrokerSettings(
    broker_url=SecretStr("sentinel://us%2Fer:p%40w@a/2?ssl_ca_certs=/ca.pem;sentinel://[::1]:7000"),
    sentinel_master="main",
    sentinel_password=SecretStr("other"),
    sentinel_tls=True,
)


def application(broker: BrokerSettings) -> Any:  # Celery has no types
    found = Celery("t")
    found.conf.update(connections.settings_of(broker))
    return found


def test_each_sentinel_of_kombus_list_leads_to_the_same_master(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", SENTINELS.broker_url.get_secret_value())
    connection = application(SENTINELS).connection_for_read()
    found = []
    for _ in connection.alt:
        found.append((connection.userid, connection.password, connection.virtual_host))
        assert connection.ssl["ssl_ca_certs"] == "/ca.pem"
        connection.maybe_switch_next()

    assert found == [("us/er", "p@w", "2")] * 2


def test_results_are_kept_by_the_master_that_sentinels_name() -> None:
    backend = application(SENTINELS).backend
    pool = backend.client.connection_pool
    guards = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]

    assert (pool.service_name, pool.connection_kwargs["db"]) == ("main", 2)
    assert (pool.connection_kwargs["username"], pool.connection_kwargs["password"]) == (
        "us/er",
        "p@w",
    )
    assert pool.connection_kwargs["ssl_ca_certs"] == "/ca.pem"
    assert {(each["password"], each["ssl_ca_certs"]) for each in guards} == {("other", "/ca.pem")}


@pytest.mark.parametrize(
    ("url", "check"),
    [
        pytest.param("rediss://h/1", "CERT_NONE", id="no options, which Celery refuses"),
        pytest.param("redis://h/1?ssl_cert_reqs=none", "CERT_NONE", id="TLS on redis://, the same"),
        pytest.param("rediss://h/1?ssl_cert_reqs=required", "CERT_REQUIRED", id="in kombu's words"),
    ],
)
def test_results_go_the_way_of_messages(url: str, check: str) -> None:
    found = application(BrokerSettings(broker_url=SecretStr(url))).backend.connparams

    assert (found["host"], found["db"], found["ssl_cert_reqs"].name) == ("h", 1, check)


def test_a_result_backend_of_its_own_is_left_as_it_is() -> None:
    broker = BrokerSettings(
        broker_url=SecretStr("rediss://h"), result_backend_url=SecretStr("redis://other/3")
    )

    assert connections.settings_of(broker)["result_backend"] == "redis://other/3"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        pytest.param("redis://a;redis://b", "names several servers", id="several servers"),
        pytest.param("sentinel://a", "needs the name of its master set", id="no master set"),
    ],
)
def test_what_jobs_cannot_live_on_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        connections.settings_of(BrokerSettings(broker_url=SecretStr(url)))
