"""The schedules in force: those of the pipelines, as the settings change them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import ValidationError

from app import cron
from app.errors import InvalidInput
from app.jobs.model import params
from app.jobs.model.job import JsonObject
from app.jobs.model.pipeline import Pipeline, Registry, Schedule
from app.settings import ScheduleSetting
from app.storage import nesting

LABEL = "schedule"
"""A job that began by a schedule has its name as this label."""

Given = Mapping[str, ScheduleSetting | Literal["off"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A schedule in force."""

    name: str
    kind: str
    params: JsonObject
    """As the kind's schema says, with its defaults."""
    cron: str
    zone: ZoneInfo
    is_on: bool = True

    def due_at(self, now: datetime) -> datetime:
        """The last moment that has come."""
        return cron.last_moment(self.cron, self.zone, at=now)

    def next_at(self, now: datetime) -> datetime | None:
        """The first moment to come; None when it is off."""
        return cron.next_moment(self.cron, self.zone, at=now) if self.is_on else None


def in_force(registry: Registry, given: Given) -> tuple[Scheduled, ...]:
    """Every schedule, by name.

    Raises InvalidInput for what cannot be used: a kind or time zone that there is not, an
    expression that cannot be read, parameters that do not fit.
    """
    declared = {
        schedule.name: (schedule, pipeline)
        for pipeline in registry.values()
        for schedule in pipeline.schedules
    }
    names = sorted({*declared, *given})
    return tuple(_scheduled(name, declared.get(name), given.get(name), registry) for name in names)


def _scheduled(
    name: str,
    declared: tuple[Schedule, Pipeline] | None,
    given: ScheduleSetting | Literal["off"] | None,
    registry: Registry,
) -> Scheduled:
    change = given if isinstance(given, ScheduleSetting) else ScheduleSetting()
    schedule, pipeline = declared if declared is not None else (None, None)
    if change.kind is not None:
        pipeline = registry.get(change.kind)
    expression = change.cron or (schedule.cron if schedule is not None else None)
    if pipeline is None or expression is None:
        raise InvalidInput(f"the schedule {name!r} needs a known kind and a cron expression")
    declared_params = dict(schedule.params) if schedule is not None else {}
    return Scheduled(
        name=name,
        kind=pipeline.kind,
        params=_params(
            name, pipeline, change.params if change.params is not None else declared_params
        ),
        cron=_expression(name, expression),
        zone=_zone(name, change.timezone or (schedule.timezone if schedule is not None else "UTC")),
        is_on=given != "off",
    )


def _params(name: str, pipeline: Pipeline, given: JsonObject) -> JsonObject:
    if nesting.is_too_deep(given):
        raise InvalidInput(f"a value in the params of the schedule {name!r} {nesting.TOO_DEEP}")
    try:
        return pipeline.params.model_validate(given).model_dump(mode="json")
    except ValidationError as error:
        wrong = params.describe(error)
        raise InvalidInput(f"the params of the schedule {name!r} do not fit: {wrong}") from error


def _zone(name: str, timezone: str) -> ZoneInfo:
    if timezone not in available_timezones():
        raise InvalidInput(f"{timezone!r} of the schedule {name!r} is no IANA time zone")
    return ZoneInfo(timezone)


def _expression(name: str, expression: str) -> str:
    try:
        cron.next_moment(expression, ZoneInfo("UTC"), at=datetime.now(UTC))
    except ValueError as error:
        raise InvalidInput(f"the cron of the schedule {name!r} cannot be used: {error}") from error
    return expression
