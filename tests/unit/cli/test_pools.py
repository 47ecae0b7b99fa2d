"""Pools of this machine, as the commands show them."""

from app.cli import pools
from app.control.pool.status import Condition, ConditionStatus, ConditionType
from app.control.report.pool_snapshot import PoolView
from tests.pool_status import build_pool_status


def test_a_pool_of_another_application_looks_as_the_api_would_show_it() -> None:
    ready = Condition(
        type=ConditionType.READY,
        status=ConditionStatus.TRUE,
        reason="Reconciled",
        message="the pool follows its queues",
        last_transition_at_s=5.0,
    )
    status = build_pool_status(conditions=(ready,), explanation=("7 waiting",), mean_runtime_s=0.5)

    shown = pools.local_view("orders", status)

    assert shown == PoolView.of("orders", status).model_dump(mode="json")
    assert [pools.condition_line(each) for each in shown["conditions"]] == [
        "Ready=True  Reconciled: the pool follows its queues"
    ]
