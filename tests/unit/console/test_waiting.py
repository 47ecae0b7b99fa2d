"""Why is it waiting?"""

from datetime import timedelta

import pytest

from app.console import waiting
from app.console.console_model import ConsoleCondition, ConsoleJobDetail, Overview
from tests.unit.console.build import NOON, detail, overview, pool, queue

BROKEN = ConsoleCondition(type="Ready", status="False", reason="Gone", message="no such target")


@pytest.mark.parametrize(
    ("job", "seen", "want"),
    [
        pytest.param(detail(state="running"), overview(), None, id="a running job does not wait"),
        pytest.param(
            detail(not_before=NOON + timedelta(hours=1)),
            overview(),
            "It starts in 1 h.",
            id="its time has not come",
        ),
        pytest.param(
            detail(not_before=NOON + timedelta(minutes=1), attempt=2, error_type="RateLimited"),
            overview(),
            "Attempt 2 failed with RateLimited; the next one starts in 1 min.",
            id="it is retried later",
        ),
        pytest.param(
            detail(children={"queued": 2, "running": 1, "succeeded": 5}),
            overview(),
            "It waits for 3 child jobs to end.",
            id="its children run",
        ),
        pytest.param(
            detail(),
            overview(queues=()),
            "No worker is known for its queue orders.",
            id="nobody knows its queue",
        ),
        pytest.param(
            detail(),
            overview(queues=(queue(pool=None),)),
            "No pool that is known here serves its queue orders.",
            id="no pool serves its queue",
        ),
        pytest.param(
            detail(),
            overview(pools=(pool(state="Paused"),)),
            "Pool orders, which serves its queue, is paused.",
            id="the pool is paused",
        ),
        pytest.param(
            detail(),
            overview(pools=(pool(conditions=(BROKEN,)),)),
            "Pool orders has a problem: no such target",
            id="the pool is not ready",
        ),
        pytest.param(
            detail(),
            overview(queues=(queue(ready=9),), pools=(pool(desired=4),)),
            "9 messages ready in queue orders, and pool orders is at its maximum of 4 replicas.",
            id="the pool is full",
        ),
        pytest.param(
            detail(),
            overview(pools=(pool(ready=0),)),
            "Pool orders starts its first replica.",
            id="the pool is cold",
        ),
        pytest.param(
            detail(),
            overview(queues=(queue(ready=2),), pools=(pool(active=4),)),
            "2 messages ready in queue orders; pool orders runs 4 tasks now.",
            id="others are before it",
        ),
        pytest.param(
            detail(),
            overview(problem="no answer from the broker at redis:6379"),
            "The broker gives no answer: no answer from the broker at redis:6379",
            id="the broker is silent",
        ),
    ],
)
def test_why_names_the_first_reason_that_holds(
    job: ConsoleJobDetail, seen: Overview, want: str | None
) -> None:
    assert waiting.why(job, seen) == want
