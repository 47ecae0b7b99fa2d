"""Parameters and result of a report job."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.pipelines.parameters import Id
from app.storage.statistics import Span

DAYS_LIMIT = 366

_NO_DATES = {"date_from": {"type": "null"}, "date_to": {"type": "null"}}

_DAYS = re.compile(r"([1-9][0-9]{0,2})d")

_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"

PeriodText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=30),
    Field(json_schema_extra={"pattern": rf"^\s*([1-9][0-9]{{0,2}}d|{_DATE}/{_DATE})?\s*$"}),
]

_DAY = re.compile(_DATE)


def _written_out(given: object) -> object:
    """Refuse numbers of seconds, which pydantic would accept."""
    if isinstance(given, date) or (isinstance(given, str) and _DAY.fullmatch(given)):
        return given
    raise ValueError("must be a date, like 2026-01-31")


CalendarDate = Annotated[date, BeforeValidator(_written_out)]

_PERIOD_OR_DATES: dict[str, Any] = {  # Any: JSON schema
    "oneOf": [
        {"required": ["period"], "properties": {"period": {"type": "string"}} | _NO_DATES},
        {"properties": {"period": {"type": "null"}} | _NO_DATES},
        {
            "required": ["date_from"],
            "properties": {"period": {"type": "null"}, "date_from": {"type": "string"}},
        },
    ]
}
"""JSON schema of the rule that a period excludes dates, and that `date_to` needs `date_from`."""


class ReportParams(BaseModel):
    """The period: either `period`, or `date_from` and optionally `date_to`."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_PERIOD_OR_DATES)

    chatbot_id: Id | None = Field(None, description="Only figures of this bot.")
    period: PeriodText | None = Field(
        None,
        description="`7d`, `30d`, `90d` or another number of days until now, or two dates such as "
        "`2026-01-01/2026-01-31`. Default: 30d.",
    )
    date_from: CalendarDate | None = Field(None, description="First day (UTC).")
    date_to: CalendarDate | None = Field(None, description="Last day, inclusive. Default: today.")

    @model_validator(mode="after")
    def _is_a_period(self) -> Self:
        if self.period is not None and (self.date_from or self.date_to):
            raise ValueError("set either a period or dates")
        if self.date_to is not None and self.date_from is None:
            raise ValueError("date_to needs a date_from")
        self.span(datetime.now(UTC))
        return self

    def span(self, now: datetime) -> Span:
        """Start and end of the period. Raises ValueError."""
        first, last = _dates(self.period) if self.period else (self.date_from, self.date_to)
        if first is None:
            days = _number_of_days(self.period or "30d")
            return _checked(now - timedelta(days=days), now)
        if last is None:
            last = now.date()
        if last == date.max:
            raise ValueError("the last day is too late")
        return _checked(_midnight(first), _midnight(last + timedelta(days=1)))


def _dates(period: str) -> tuple[date | None, date | None]:
    first, slash, last = period.partition("/")
    if not slash:
        return None, None
    return date.fromisoformat(first), date.fromisoformat(last)


def _number_of_days(period: str) -> int:
    found = _DAYS.fullmatch(period)
    if found is None:
        raise ValueError("a period is a number of days like 30d, or 2026-01-01/2026-01-31")
    return int(found[1])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _checked(since: datetime, until: datetime) -> Span:
    if since >= until:
        raise ValueError("the period ends before it begins")
    if until - since > timedelta(days=DAYS_LIMIT):
        raise ValueError(f"a period has at most {DAYS_LIMIT} days")
    return Span(since=since, until=until)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class RunTimes(_Part):
    """Durations in seconds; percentiles by nearest rank."""

    count: int
    mean_s: float
    p50_s: float
    p95_s: float
    max_s: float


class KindFigures(_Part):
    """The jobs of one kind."""

    kind: str
    total: int
    by_state: dict[str, int]
    run_time: RunTimes | None
    """Of succeeded jobs, from the first claim to the end."""
    waiting_time: RunTimes | None
    """From creation to the first claim."""


class StageTimes(_Part):
    """The ended runs of one stage."""

    stage: str
    run_time: RunTimes


class Failure(_Part):
    """The failed jobs with one type of error."""

    kind: str
    error: str
    count: int


class Day(_Part):
    """The jobs created on one day (UTC), by current state."""

    date: str
    by_state: dict[str, int]


class JobFigures(_Part):
    """The jobs created in the period."""

    total: int
    by_state: dict[str, int]
    kinds: tuple[KindFigures, ...]
    stages: tuple[StageTimes, ...]
    failures: tuple[Failure, ...]
    days: tuple[Day, ...]


class Sources(_Part):
    """The sources added in the period."""

    total: int
    by_status: dict[str, int]


class Chunks(_Part):
    """Chunks for retrieval."""

    of_new_sources: int
    """Of sources added in the period."""
    tokens_of_new_sources: int
    total: int
    """Of all sources."""


class Notifications(_Part):
    """The notifications of the period, to all users."""

    total: int
    unread: int
    by_type: dict[str, int]
    deliveries: dict[str, dict[str, int]]
    """By channel and state."""


class Report(_Part):
    """The report of a period."""

    chatbot_id: str | None
    since: datetime
    until: datetime
    jobs: JobFigures
    sources: Sources
    chunks: Chunks
    notifications: Notifications | None
    """Null in the report of a bot: notifications belong to users."""
    artifacts: tuple[str, ...]
