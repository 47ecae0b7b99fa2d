"""Gather the figures of a period."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

from app.jobs.model.job import JobState
from app.jobs.platform import Platform
from app.jobs.store import job_statistics
from app.jobs.store.job_statistics import Counted, JobStatistics
from app.pipelines.report.schema import (
    Chunks,
    Day,
    Failure,
    Jobs,
    Kind,
    Notifications,
    Sources,
    StageTimes,
    Times,
)
from app.storage.moments import Span
from app.storage.statistics import Statistics


def jobs(platform: Platform, span: Span, *, chatbot_id: str | None) -> Jobs:
    """The jobs that were created in the span."""
    figures = JobStatistics(platform.database)
    counted = figures.by_kind_and_state(span, chatbot_id=chatbot_id)
    by_day = figures.by_day_and_state(span, chatbot_id=chatbot_id)
    return Jobs(
        total=sum(one.count for one in counted),
        by_state=_summed((one.names[1], one.count) for one in counted),
        kinds=_kinds(
            counted,
            run_times=figures.job_times(span, chatbot_id=chatbot_id),
            waiting_times=figures.waiting_times(span, chatbot_id=chatbot_id),
        ),
        stages=tuple(
            StageTimes(stage=one.name, run_time=Times.model_validate(one))
            for one in figures.stage_times(span, chatbot_id=chatbot_id)
        ),
        failures=tuple(
            Failure(kind=one.names[0], error=one.names[1], count=one.count)
            for one in figures.failures(span, chatbot_id=chatbot_id)
        ),
        days=tuple(
            Day(
                date=day,
                by_state=_summed(
                    (one.names[1], one.count) for one in by_day if one.names[0] == day
                ),
            )
            for day in days_of(span)
        ),
    )


def sources(platform: Platform, span: Span, *, chatbot_id: str | None) -> tuple[Sources, Chunks]:
    """The sources that were added in the span, and their chunks."""
    found = Statistics(platform.database).sources(span, chatbot_id=chatbot_id)
    return (
        Sources(total=sum(found.by_status.values()), by_status=found.by_status),
        Chunks(
            of_new_sources=found.chunks,
            tokens_of_new_sources=found.tokens,
            total=platform.chunks.count(chatbot_id=chatbot_id),
        ),
    )


def notifications(platform: Platform, span: Span) -> Notifications:
    """What users were told in the span."""
    found = Statistics(platform.database).notifications(span)
    return Notifications(
        total=sum(found.by_type.values()),
        unread=found.unread,
        by_type=found.by_type,
        deliveries=found.deliveries,
    )


def days_of(span: Span) -> list[str]:
    """Every day (UTC) that the span touches."""
    first = span.since.date()
    last = (span.until - timedelta(microseconds=1)).date()
    return [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]


def _kinds(
    counted: Sequence[Counted],
    *,
    run_times: Iterable[job_statistics.Times],
    waiting_times: Iterable[job_statistics.Times],
) -> tuple[Kind, ...]:
    states: dict[str, dict[str, int]] = defaultdict(dict)
    for one in counted:
        kind, state = one.names
        states[kind][state] = one.count
    ran = {one.name: Times.model_validate(one) for one in run_times}
    waited = {one.name: Times.model_validate(one) for one in waiting_times}
    return tuple(
        Kind(
            kind=kind,
            total=sum(by_state.values()),
            by_state=by_state,
            run_time=ran.get(kind),
            waiting_time=waited.get(kind),
        )
        for kind, by_state in states.items()
    )


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """In the order of the states; those that nobody is in are left out."""
    total: Counter[str] = Counter()
    for name, count in pairs:
        total[name] += count
    return {state.value: total[state] for state in JobState if total[state]}
