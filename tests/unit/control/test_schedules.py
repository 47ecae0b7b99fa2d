"""Which windows are open, also where clocks change."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.control.pool import policies
from app.control.pool.policies import Bounds
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.spec import ScheduleSpec


def window(
    start: str,
    end: str,
    *,
    zone: str = "Europe/Berlin",
    name: str = "office",
    least: int | None = 2,
    most: int | None = None,
) -> ScheduleSpec:
    return ScheduleSpec(
        name=name, timezone=zone, start=start, end=end, min_replicas=least, max_replicas=most
    )


OFFICE = window("0 8 * * 1-5", "0 18 * * 1-5")
NIGHT = window("0 22 * * *", "0 6 * * *", name="night", least=None, most=3)


def in_force(moment: str, *windows: ScheduleSpec, zone: str = "Europe/Berlin") -> Bounds:
    """At a local time such as `2026-03-02 08:00`; a `+0100` behind it says which of two."""
    at = datetime.fromisoformat(moment)
    if at.tzinfo is None:
        at = at.replace(tzinfo=ZoneInfo(zone))
    return policies.bounds(windows, minimum=0, maximum=10, now_s=at.timestamp())


@pytest.mark.parametrize(
    ("moment", "want"),
    [
        pytest.param("2026-03-02 07:59:59", False, id="Monday before work"),
        pytest.param("2026-03-02 08:00:00", True, id="Monday, the first second"),
        pytest.param("2026-03-02 17:59:59", True, id="Monday, the last second"),
        pytest.param("2026-03-02 18:00:00", False, id="Monday after work"),
        pytest.param("2026-03-07 12:00:00", False, id="Saturday"),
        pytest.param("2026-03-30 08:00:00", True, id="Monday after the clocks have changed"),
    ],
)
def test_a_window_is_open_between_start_and_end(moment: str, *, want: bool) -> None:
    assert (in_force(moment, OFFICE).schedules == ("office",)) is want


@pytest.mark.parametrize(
    ("moment", "want"),
    [
        pytest.param("2026-03-29T01:59+01:00", False, id="before the hour that is skipped"),
        pytest.param("2026-03-29T03:00+02:00", True, id="opens when the clock has jumped"),
        pytest.param("2026-03-29T03:59+02:00", True, id="is open"),
        pytest.param("2026-03-29T04:00+02:00", False, id="closes as usual"),
        pytest.param("2026-10-25T02:29+02:00", False, id="before the hour that comes twice"),
        pytest.param("2026-10-25T02:30+02:00", True, id="opens the first time"),
        pytest.param("2026-10-25T02:00+01:00", True, id="stays open when the clock goes back"),
        pytest.param("2026-10-25T02:30+01:00", True, id="the second time says nothing new"),
        pytest.param("2026-10-25T04:00+01:00", False, id="closes as usual"),
    ],
)
def test_a_window_that_begins_where_clocks_change(moment: str, *, want: bool) -> None:
    early = window("30 2 * * *", "0 4 * * *")

    assert (in_force(moment, early).minimum == 2) is want


@pytest.mark.parametrize(
    ("moment", "want"),
    [
        pytest.param("2026-03-29T01:59+01:00", True, id="open before the skipped hour"),
        pytest.param("2026-03-29T03:00+02:00", False, id="closed when the clock has jumped"),
        pytest.param("2026-10-25T02:29+02:00", True, id="open before the repeated hour"),
        pytest.param("2026-10-25T02:30+02:00", False, id="closes the first time"),
        pytest.param("2026-10-25T02:10+01:00", False, id="and does not open again"),
    ],
)
def test_a_window_that_ends_where_clocks_change(moment: str, *, want: bool) -> None:
    late = window("0 0 * * *", "30 2 * * *")

    assert (in_force(moment, late).minimum == 2) is want


def test_half_an_hour_may_be_repeated_too() -> None:
    """Lord Howe Island turns its clocks by 30 minutes."""
    early = window("45 1 * * *", "0 4 * * *", zone="Australia/Lord_Howe")

    assert in_force("2026-04-05T01:45+11:00", early).minimum == 2
    assert in_force("2026-04-05T01:30+10:30", early).minimum == 2


@pytest.mark.parametrize(
    ("windows", "want"),
    [
        pytest.param((), Bounds(minimum=0, maximum=10), id="none: the pool's own"),
        pytest.param((OFFICE,), Bounds(minimum=0, maximum=10), id="none open: the pool's own"),
        pytest.param(
            (OFFICE, NIGHT),
            Bounds(minimum=0, maximum=3, schedules=("night",)),
            id="over midnight",
        ),
        pytest.param(
            (NIGHT, window("0 0 1 * *", "0 0 2 * *", name="first", least=5, most=8)),
            Bounds(minimum=3, maximum=3, schedules=("night", "first")),
            id="the lowest maximum is the strongest",
        ),
        pytest.param(
            (
                window("0 0 1 * *", "0 0 2 * *", name="a", least=5),
                window("0 0 1 * *", "0 0 2 * *", name="b", least=7),
            ),
            Bounds(minimum=7, maximum=10, schedules=("a", "b")),
            id="the highest minimum",
        ),
    ],
)
def test_open_windows_set_the_bounds(windows: tuple[ScheduleSpec, ...], want: Bounds) -> None:
    assert in_force("2026-03-01 23:00", *windows) == want


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("61 8 * * *", id="no such minute"),
        pytest.param("every morning", id="words"),
        pytest.param("0 8 30 2 *", id="the 30th of February"),
        pytest.param("0 8 * * 1-5 30", id="six fields"),
        pytest.param("R 8 * * 1-5", id="random minutes"),
        pytest.param("0 H/2 * * *", id="hashed hours"),
    ],
)
def test_an_expression_that_cannot_be_used_is_named(expression: str) -> None:
    bad = window(expression, "0 18 * * *")

    with pytest.raises(PoolProblem, match="schedule 'office': cron expression") as caught:
        in_force("2026-03-01 23:00", bad)

    assert caught.value.reason is ProblemReason.INVALID_SCHEDULE


@settings(deadline=None)
@given(
    start=st.tuples(st.integers(0, 59), st.integers(0, 23)),
    length=st.integers(1, 23 * 60),
    minute=st.integers(0, 366 * 24 * 60),
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "Asia/Tokyo"]),
)
def test_a_daily_window_is_open_for_its_length(
    start: tuple[int, int], length: int, minute: int, zone: str
) -> None:
    """Against plain arithmetic, in zones without clock changes."""
    opens = start[1] * 60 + start[0]
    closes = (opens + length) % (24 * 60)
    daily = window(f"{start[0]} {start[1]} * * *", f"{closes % 60} {closes // 60} * * *", zone=zone)
    at = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)) + timedelta(minutes=minute)
    since_open = (at.hour * 60 + at.minute - opens) % (24 * 60)

    got = policies.bounds((daily,), minimum=0, maximum=10, now_s=at.timestamp())

    assert (got.minimum == 2) is (since_open < length)
