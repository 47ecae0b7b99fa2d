"""The moments that a cron expression names, also where clocks change."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import cron

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("expression", "at", "last", "following"),
    [
        pytest.param(
            *("0 2 * * *", "2026-07-05T02:00+02:00"),
            *("2026-07-05T02:00+02:00", "2026-07-06T02:00+02:00"),
            id="the moment itself has come",
        ),
        pytest.param(
            *("0 2 * * *", "2026-07-05T01:59:59+02:00"),
            *("2026-07-04T02:00+02:00", "2026-07-05T02:00+02:00"),
            id="a second before",
        ),
        pytest.param(
            *("30 2 * * *", "2026-03-29T12:00+02:00"),
            *("2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"),
            id="a time that is skipped comes with the jump",
        ),
        pytest.param(
            *("30 2 * * *", "2026-03-29T03:00+02:00"),
            *("2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"),
            id="and not a minute later",
        ),
        pytest.param(
            *("30 2 * * *", "2026-03-29T01:59+01:00"),
            *("2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00"),
            id="nor earlier",
        ),
        pytest.param(
            *("30 2 * * *", "2026-10-25T02:45+01:00"),
            *("2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
            id="a time that comes twice comes once",
        ),
    ],
)
def test_moments_before_and_after(expression: str, at: str, last: str, following: str) -> None:
    now = datetime.fromisoformat(at)
    assert cron.last_moment(expression, BERLIN, at=now) == datetime.fromisoformat(last)
    assert cron.next_moment(expression, BERLIN, at=now) == datetime.fromisoformat(following)


CHANGES = [
    ("Europe/Berlin", "2026-03-29T00:00Z"),
    ("Europe/Berlin", "2026-10-25T00:00Z"),
    ("Europe/Dublin", "2026-03-29T00:00Z"),
    ("Europe/Dublin", "2026-10-25T00:00Z"),
    ("America/New_York", "2026-03-08T06:00Z"),
    ("America/New_York", "2026-11-01T05:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T14:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:00Z"),
    ("Antarctica/Troll", "2026-03-29T00:00Z"),
    ("Antarctica/Troll", "2026-10-25T00:00Z"),
    ("Africa/Casablanca", "2026-02-15T02:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00Z"),
    ("Pacific/Apia", "2011-12-30T09:00Z"),
    ("Asia/Kolkata", "2026-07-01T00:00Z"),
]
"""Zones and hours about which their clocks change: by an hour, by half of one, by two, by a day."""

EXPRESSIONS = st.builds(
    "{} {} * * *".format,
    st.sampled_from(["0", "15", "30", "45", "*/10", "5,50"]),
    st.sampled_from(["*", "0", "1", "2", "3", "1-3", "*/2", "12", "23"]),
)


@settings(deadline=None, max_examples=200)
@given(
    change=st.sampled_from(CHANGES),
    expression=EXPRESSIONS,
    minutes=st.integers(-6 * 60, 6 * 60),
)
def test_a_moment_is_when_the_expression_comes_true_on_a_clock_that_runs_on(
    change: tuple[str, str], expression: str, minutes: int
) -> None:
    """As the windows of pools read it: a minute earlier the last time named was another one."""
    zone = ZoneInfo(change[0])
    at = datetime.fromisoformat(change[1]) + timedelta(minutes=minutes)

    last = cron.last_moment(expression, zone, at=at)
    following = cron.next_moment(expression, zone, at=at)

    def named(moment: datetime) -> datetime:
        return cron.last(expression, cron.wall_clock(moment, zone))

    assert last <= at < following
    assert named(last) == named(at) == named(following - MINUTE)
    assert named(last - MINUTE) < named(last)
    assert named(following) > named(at)
    assert cron.last_moment(expression, zone, at=following) == following
    assert cron.next_moment(expression, zone, at=last) == following


@pytest.mark.parametrize("expression", ["", "0 2 * *", "0 2 * * * *", "61 2 * * *", "H 2 * * *"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        cron.next_moment(expression, BERLIN, at=datetime.fromisoformat("2026-07-05T02:00+02:00"))
