"""The Celery application's settings, held to what Celery and kombu know."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.app.defaults import SETTING_KEYS
from kombu.transport.redis import Channel, SentinelChannel

from app import celery_app, queues
from app.jobs import platform
from app.jobs.model.pipeline import Registry, RegistryError, Stage
from app.queues import QueueName
from app.settings import Settings
from tests import letters, probe


@pytest.fixture
def application() -> Celery:
    return celery_app.create(Settings(), Registry([probe.PIPELINE]))


def changed(application: Celery) -> dict[str, Any]:
    return dict(application.conf.changes)


def test_every_setting_is_one_that_celery_knows(application: Celery) -> None:
    assert set(changed(application)) - {"deprecated_settings"} <= SETTING_KEYS


@pytest.mark.parametrize("name", ["broker_transport_options"])
def test_every_transport_option_is_one_that_kombu_knows(application: Celery, name: str) -> None:
    assert set(changed(application)[name]) <= set(Channel.from_transport_options)


def test_every_transport_option_of_sentinels_is_one_that_kombu_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "sentinel://a")
    monkeypatch.setenv("CELERIAC_SENTINEL_MASTER", "main")
    found = celery_app.create(Settings(), Registry([])).conf.broker_transport_options

    assert found["master_name"] == "main"
    assert set(found) <= set(SentinelChannel.from_transport_options)


def test_messages_are_json_and_kept_until_the_work_is_done(application: Celery) -> None:
    conf = application.conf

    assert (conf.task_serializer, conf.result_serializer) == ("json", "json")
    assert conf.accept_content == ["json"]
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost) == (True, True)
    assert (conf.worker_prefetch_multiplier, conf.worker_disable_prefetch) == (1, True)
    assert (conf.enable_utc, conf.timezone) == (True, "UTC")


def test_priorities_have_a_list_each_and_the_first_is_served_first(application: Celery) -> None:
    options = application.conf.broker_transport_options

    assert options["priority_steps"] == list(queues.PRIORITIES)
    assert options["queue_order_strategy"] == "priority"
    assert application.conf.task_default_priority == queues.DEFAULT_PRIORITY


def test_every_declared_queue_is_on_the_default_exchange(application: Celery) -> None:
    found = {queue.name: queue.exchange.name for queue in application.conf.task_queues}

    assert found == {queue.name: "" for queue in queues.QUEUES}


def test_a_queue_that_a_pipeline_brings_has_its_limits() -> None:
    conf = celery_app.create(Settings(), Registry([letters.PIPELINE])).conf

    assert {queue.name for queue in conf.task_queues} == {*queues.BY_NAME, "letters"}
    assert conf.task_routes == {"count_letters": {"queue": "letters"}}
    assert conf.task_annotations["count_letters"] == {"soft_time_limit": 60, "time_limit": 90}


def test_every_task_has_the_queue_and_the_limits_of_its_stage(application: Celery) -> None:
    conf = application.conf

    assert conf.task_routes == {
        "probe_first": {"queue": "default"},
        "probe_second": {"queue": "download"},
        "probe_last": {"queue": "cleanup"},
        "probe_finalizer": {"queue": "cleanup"},
    }
    assert conf.task_annotations["probe_first"] == {"soft_time_limit": 1500, "time_limit": 1800}
    assert conf.imports == ("tests.probe.tasks",)


def test_a_task_that_nobody_knows_goes_to_the_default_queue(application: Celery) -> None:
    route = application.amqp.router.route({}, "nobody.knows")

    assert route["queue"].name == "default"


def test_the_application_leads_to_its_platform(application: Celery) -> None:
    assert platform.of(application).celery is application


def test_another_application_has_no_platform() -> None:
    with pytest.raises(platform.NoPlatform):
        platform.of(Celery("other"))


def test_a_liveness_file_adds_a_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CELERIAC_LIVENESS_FILE", str(tmp_path / "alive"))

    application = celery_app.create(Settings(), Registry([]))

    assert [step.path for step in application.steps["worker"]] == [tmp_path / "alive"]


def test_the_module_makes_its_application_when_it_is_asked_for() -> None:
    with pytest.raises(AttributeError):
        celery_app.nothing  # noqa: B018


def test_an_application_keeps_the_urls_of_requests_out_of_the_logs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    requests = logging.getLogger("httpx2")
    requests.setLevel(logging.NOTSET)
    celery_app.create(Settings(), Registry([probe.PIPELINE]))
    assert not requests.isEnabledFor(logging.INFO)


def test_the_application_has_the_name_that_importers_use() -> None:
    from app.celery_app import celery_app as imported

    assert imported is celery_app.from_environment()


def test_a_stage_on_a_queue_that_no_worker_serves_is_refused() -> None:
    stage = Stage(task="shop_mail", queue=QueueName("mails"))
    wrong = replace(probe.PIPELINE, kind="shop", stages=(stage,))
    with pytest.raises(RegistryError, match=r"queue 'mails', which is not declared.*default, down"):
        Registry([wrong])
    with pytest.raises(RegistryError, match="'shop_mail' of the pipeline 'shop'"):
        Registry([replace(probe.PIPELINE, kind="shop", finalizer=stage)])
