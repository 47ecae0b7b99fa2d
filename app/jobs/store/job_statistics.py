"""Statistics of jobs over a span of time, computed by the database."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from app.jobs.model.job import JobState
from app.storage import ownership, schema, statistics
from app.storage.engine import Database
from app.storage.statistics import Span

_jobs = schema.jobs
_runs = schema.runs

PERCENTILES = (50, 95)

BOT_FIELDS = ("chatbot_id", "bot_id")
"""Parameters that say which bot a job is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How often something was seen."""

    names: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long something took; percentiles by nearest rank, so that each is a time that was."""

    name: str
    count: int
    mean_s: float
    p50_s: float
    p95_s: float
    max_s: float


class JobStatistics:
    """Figures of the jobs that were created in a span, of one bot or of all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_kind_and_state(self, span: Span, *, chatbot_id: str | None) -> list[Counted]:
        return self._counted(span, chatbot_id, _jobs.c.pipeline, _jobs.c.state)

    def failures(self, span: Span, *, chatbot_id: str | None) -> list[Counted]:
        """By kind and type of the error."""
        named = statistics.text_at(_jobs.c.error, "type", dialect=self._database.dialect)
        kind = func.coalesce(named, "unknown")
        is_failed = _jobs.c.state == JobState.FAILED.value
        return self._counted(span, chatbot_id, _jobs.c.pipeline, kind, where=(is_failed,))

    def by_day_and_state(self, span: Span, *, chatbot_id: str | None) -> list[Counted]:
        """By the day of their creation in UTC."""
        day = statistics.day_of(_jobs.c.created_at, dialect=self._database.dialect)
        return self._counted(span, chatbot_id, day, _jobs.c.state)

    def job_times(self, span: Span, *, chatbot_id: str | None) -> list[Times]:
        """By kind: from the first claim of a job that succeeded to its end."""
        conditions = (*self._within(span, chatbot_id), _jobs.c.state == JobState.SUCCEEDED.value)
        return self._times(_jobs.c.pipeline, _jobs.c.started_at, _jobs.c.finished_at, conditions)

    def waiting_times(self, span: Span, *, chatbot_id: str | None) -> list[Times]:
        """By kind: from the creation of a job to its first claim, a requested delay included."""
        conditions = (*self._within(span, chatbot_id), _jobs.c.started_at.is_not(None))
        return self._times(_jobs.c.pipeline, _jobs.c.created_at, _jobs.c.started_at, conditions)

    def stage_times(self, span: Span, *, chatbot_id: str | None) -> list[Times]:
        """By stage: each run that has ended, however."""
        owned = select(_jobs.c.id).where(*self._within(span, chatbot_id))
        conditions = (_runs.c.ended_at.is_not(None), _runs.c.job_id.in_(owned))
        return self._times(_runs.c.stage, _runs.c.started_at, _runs.c.ended_at, conditions)

    def _counted(
        self,
        span: Span,
        chatbot_id: str | None,
        *names: ColumnElement[str],
        where: tuple[ColumnElement[bool], ...] = (),
    ) -> list[Counted]:
        query = (
            select(*names, func.count())
            .where(*self._within(span, chatbot_id), *where)
            .group_by(*names)
            .order_by(*names)
        )
        with self._database.read() as connection:
            found = [tuple(row) for row in connection.execute(query)]
        return [Counted(names=tuple(row[:-1]), count=row[-1]) for row in found]

    def _times(
        self,
        name: ColumnElement[str],
        start: Any,  # columns of moments
        end: Any,
        conditions: tuple[ColumnElement[bool], ...],
    ) -> list[Times]:
        took_s = statistics.seconds_between(start, end, dialect=self._database.dialect)
        ranked = (
            select(
                name.label("name"),
                took_s.label("took_s"),
                func.row_number().over(partition_by=name, order_by=took_s).label("rank"),
                func.count().over(partition_by=name).label("total"),
            )
            .where(*conditions)
            .subquery()
        )
        total, rank = ranked.c.total, ranked.c.rank
        # Nearest rank: the first rank that this percentage of all values does not exceed.
        at = [
            func.max(ranked.c.took_s).filter(rank == (total * percent + 99) // 100)
            for percent in PERCENTILES
        ]
        query = (
            select(
                ranked.c.name,
                func.count(),
                func.avg(ranked.c.took_s),
                *at,
                func.max(ranked.c.took_s),
            )
            .group_by(ranked.c.name)
            .order_by(ranked.c.name)
        )
        with self._database.read() as connection:
            return [_times(*row) for row in connection.execute(query)]

    def _within(self, span: Span, chatbot_id: str | None) -> tuple[ColumnElement[bool], ...]:
        within = and_(span.holds(_jobs.c.created_at), ownership.visible(_jobs))
        if chatbot_id is None:
            return (within,)
        dialect = self._database.dialect
        named = [
            statistics.text_at(_jobs.c.params, field, dialect=dialect) == chatbot_id
            for field in BOT_FIELDS
        ]
        return (within, or_(*named))


def _times(name: str, count: int, mean_s: float, p50_s: float, p95_s: float, max_s: float) -> Times:
    return Times(
        name=name,
        count=count,
        mean_s=round(float(mean_s), 3),
        p50_s=round(float(p50_s), 3),
        p95_s=round(float(p95_s), 3),
        max_s=round(float(max_s), 3),
    )
