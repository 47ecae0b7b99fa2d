"""The moments that a cron expression names, also where clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.control import cron

BERLIN = ZoneInfo("Europe/Berlin")


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
            *("2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"),
            id="a time that is skipped comes after the jump",
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


@pytest.mark.parametrize("expression", ["", "0 2 * *", "0 2 * * * *", "61 2 * * *", "H 2 * * *"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        cron.next_moment(expression, BERLIN, at=datetime.fromisoformat("2026-07-05T02:00+02:00"))
