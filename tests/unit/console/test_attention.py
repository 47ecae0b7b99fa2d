"""What needs attention."""

from datetime import timedelta

from app.console import attention
from app.console.attention import Severity
from app.console.console_model import ConsoleCondition, FailureGroup
from tests.unit.console.build import NOON, overview, pool, queue

FAILED = FailureGroup(
    kind="media",
    error_type="NotFound",
    count=3,
    first_at=NOON - timedelta(minutes=9),
    last_at=NOON - timedelta(minutes=2),
    example_id="1",
    example_message="no such page",
)


def test_a_quiet_platform_needs_none() -> None:
    assert attention.concerns(overview()) == ()


def test_the_worst_comes_first() -> None:
    seen = overview(
        queues=(queue(ready=9, oldest_age_s=130.0),),
        pools=(pool(desired=4, backlog=9),),
        failures=(FAILED,),
    )
    found = attention.concerns(seen)
    assert [one.severity for one in found] == [Severity.FAILED, Severity.LATE, Severity.NOTE]
    assert [one.text for one in found] == [
        "3 media jobs failed with NotFound, last 2 min ago: no such page",
        "Queue orders is late: its oldest message waits for 2 min 10 s, 9 messages ready",
        "Pool orders is at its maximum of 4 replicas, and 9 messages wait",
    ]


def test_a_queue_that_no_pool_serves_is_named() -> None:
    (found,) = attention.concerns(overview(queues=(queue(pool=None, ready=1),)))
    assert found.text == "No pool serves queue orders, which has 1 message"


def test_a_pool_says_its_problem_in_its_own_words() -> None:
    broken = ConsoleCondition(type="Ready", status="False", reason="Gone", message="no target")
    (found,) = attention.concerns(overview(pools=(pool(conditions=(broken,)),)))
    assert (found.text, found.link) == ("Pool orders: no target", "/pools/orders")


def test_a_silent_broker_comes_before_everything() -> None:
    found = attention.concerns(overview(problem="no answer", queues=(), failures=(FAILED,)))
    assert found[0].text == "Queues and pools are unknown: no answer"
