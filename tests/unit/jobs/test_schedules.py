"""Schedules of the pipelines, as the setting changes them."""

import json
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from app.errors import InvalidInput
from app.jobs.maintenance import job_schedules
from app.jobs.maintenance.job_schedules import Scheduled
from app.jobs.model.pipeline import Registry, Schedule
from app.pipelines import registry
from app.settings import ScheduleSettings
from tests import probe

NIGHTLY = Schedule(name="nightly", cron="0 2 * * *", params={"name": "night"})
DECLARED = Scheduled(
    name="nightly",
    kind="probe",
    params={"name": "night", "plan": {}},
    cron="0 2 * * *",
    zone=ZoneInfo("UTC"),
)


def in_force(setting: object) -> tuple[Scheduled, ...]:
    known = Registry([replace(probe.PIPELINE, schedules=(NIGHTLY,))])
    given = ScheduleSettings.model_validate({"schedules": json.dumps(setting)})
    return job_schedules.in_force(known, given.schedules)


@pytest.mark.parametrize(
    ("setting", "want"),
    [
        pytest.param({}, (DECLARED,), id="as the pipeline says"),
        pytest.param({"nightly": "off"}, (replace(DECLARED, is_on=False),), id="off"),
        pytest.param(
            {"nightly": {"cron": "30 4 * * 1", "timezone": "Asia/Tokyo"}},
            (replace(DECLARED, cron="30 4 * * 1", zone=ZoneInfo("Asia/Tokyo")),),
            id="at another time",
        ),
        pytest.param(
            {"nightly": {"params": {"name": "other"}}},
            (replace(DECLARED, params={"name": "other", "plan": {}}),),
            id="with other parameters",
        ),
        pytest.param(
            {"hourly": {"kind": "probe", "cron": "0 * * * *"}},
            (
                replace(
                    DECLARED, name="hourly", cron="0 * * * *", params={"name": "probe", "plan": {}}
                ),
                DECLARED,
            ),
            id="one more",
        ),
    ],
)
def test_the_setting_changes_and_adds(setting: object, want: tuple[Scheduled, ...]) -> None:
    assert in_force(setting) == want


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"nightly": {"cron": "0 2"}}, "cron of the schedule 'nightly'"),
        ({"nightly": {"timezone": "Mars/Base"}}, "'Mars/Base'"),
        ({"nightly": {"params": {"plan": 3}}}, "params of the schedule 'nightly'"),
        ({"other": {"cron": "0 2 * * *"}}, "'other' needs a known kind"),
        ({"other": {"kind": "nothing", "cron": "0 2 * * *"}}, "'other' needs a known kind"),
        ({"other": {"kind": "probe"}}, "'other' needs a known kind and a cron"),
        ({"other": "off"}, "'other' needs a known kind"),
    ],
)
def test_what_cannot_be_used_is_refused(setting: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        in_force(setting)


def test_params_that_do_not_fit_are_told_in_one_line_without_their_values() -> None:
    with pytest.raises(InvalidInput) as refused:
        in_force({"nightly": {"params": {"plan": 3, "token": "s3cret"}}})
    message = str(refused.value)
    assert "plan: " in message
    assert "\n" not in message
    assert "s3cret" not in message


@pytest.mark.parametrize("given", ["no JSON", '{"nightly": "on"}', '{"nightly": {"crom": "x"}}'])
def test_what_is_no_schedule_is_no_setting(given: str) -> None:
    with pytest.raises(InvalidInput, match=r"^the setting \w+ cannot be used"):
        ScheduleSettings.model_validate({"schedules": given})


def test_the_clean_ups_run_at_night() -> None:
    found = {one.name: one.cron for one in job_schedules.in_force(registry.discover(), {})}
    want = {
        "cleanup-old-data": "0 2 * * *",
        "cleanup-youtube-cache": "20 2 * * *",
        "cleanup-pdf-cache": "40 2 * * *",
    }
    assert {name: found[name] for name in want} == want
