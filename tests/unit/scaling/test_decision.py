"""One decision: which rule speaks, and what it comes to."""

import pytest

from app.scaling.sizing_inputs import (
    BacklogPerReplica,
    Behavior,
    Override,
    PoolReading,
    ScalingPolicy,
    ScalingRules,
)
from app.scaling.steps import Rule
from tests.unit.scaling.builders import decided, policy, reading, remembered


@pytest.mark.parametrize(
    ("seen", "wanted", "want"),
    [
        pytest.param(reading(ready=7), policy(), (7, Rule.DEMAND), id="a slot for each message"),
        pytest.param(
            reading(ready=7), policy(slots_per_replica=4), (2, Rule.DEMAND), id="begun ones count"
        ),
        pytest.param(
            reading(ready=7, slots_per_replica=4),
            policy(slots_per_replica=None),
            (2, Rule.DEMAND),
            id="the workers say how many slots they have",
        ),
        pytest.param(
            reading(ready=7),
            policy(slots_per_replica=None),
            (7, Rule.DEMAND),
            id="one slot until anybody has said so",
        ),
        pytest.param(
            reading(ready=12), policy(target=BacklogPerReplica(messages=5)), (3, Rule.DEMAND)
        ),
        pytest.param(
            reading(replicas=4, active=1, unacked=1),
            policy(),
            (1, Rule.DEMAND),
            id="idle replicas go",
        ),
        pytest.param(reading(), policy(), (0, Rule.DEMAND), id="no work, no replicas"),
        pytest.param(reading(ready=99), policy(), (32, Rule.MAXIMUM), id="never above maximum"),
        pytest.param(reading(), policy(min_replicas=2), (2, Rule.MINIMUM), id="nor below minimum"),
        pytest.param(
            reading(replicas=40, active=40, unacked=40),
            policy(),
            (32, Rule.MAXIMUM),
            id="the maximum stands above busy replicas: those drain",
        ),
        pytest.param(
            reading(ready=3),
            policy(min_replicas=4, max_replicas=2, schedules=("night",)),
            (2, Rule.MAXIMUM),
            id="where schedules contradict each other the maximum wins",
        ),
        pytest.param(
            reading(ready=2), policy(activation_depth=2), (0, Rule.ACTIVATION), id="not enough"
        ),
        pytest.param(
            reading(ready=3), policy(activation_depth=2), (3, Rule.DEMAND), id="enough to start"
        ),
        pytest.param(
            reading(replicas=3, ready=1, active=1, unacked=1),
            policy(activation_depth=5),
            (2, Rule.DEMAND),
            id="a pool that runs does not ask for the threshold",
        ),
        pytest.param(
            reading(unacked=3, scheduled=3),
            policy(),
            (1, Rule.HELD_MESSAGES),
            id="ETA tasks need a worker to wake them",
        ),
        pytest.param(
            reading(ready=40, ready_scheduled=40),
            policy(),
            (1, Rule.SCHEDULED_MESSAGES),
            id="ETA tasks that no worker has fetched need one replica",
        ),
        pytest.param(
            reading(ready=40, ready_scheduled=40, ready_due_soon=3),
            policy(),
            (3, Rule.DEMAND),
            id="and slots of their own when their time is about to come",
        ),
        pytest.param(
            reading(ready=5, ready_scheduled=5),
            policy(activation_depth=5),
            (0, Rule.DEMAND),
            id="a few ETA tasks do not activate a pool either",
        ),
        pytest.param(
            reading(replicas=1, ready=5, ready_scheduled=5),
            policy(activation_depth=5),
            (1, Rule.SCHEDULED_MESSAGES),
            id="but keep the replica that there is",
        ),
        pytest.param(
            reading(replicas=3, ready=9, ready_scheduled=9, unacked=1, active=1),
            policy(),
            (1, Rule.DEMAND),
            id="ETA tasks that a drained worker gave back start no other one",
        ),
        pytest.param(
            reading(replicas=2, unacked=None),
            policy(),
            (1, Rule.HELD_MESSAGES),
            id="the last replica stays while it is not known what is held",
        ),
        pytest.param(
            reading(unacked=None),
            policy(),
            (0, Rule.DEMAND),
            id="an empty pool does not grow for what is not known",
        ),
        pytest.param(
            reading(unacked=3),
            policy(),
            (1, Rule.HELD_MESSAGES),
            id="messages of a dead worker need one that brings them back",
        ),
        pytest.param(
            reading(replicas=1, draining=6, active=7, unacked=7),
            policy(slots_per_replica=4),
            (2, Rule.DEMAND),
            id="tasks of draining replicas count, packed",
        ),
        pytest.param(
            reading(),
            policy(override=Override(is_activated=True)),
            (1, Rule.FORCED_ACTIVE),
            id="forced active",
        ),
        pytest.param(
            reading(replicas=2, ready=3, active=2),
            policy(override=Override(is_activated=True)),
            (5, Rule.DEMAND),
            id="forced active says nothing to a busy pool",
        ),
        pytest.param(
            reading(replicas=5, ready=1, unacked=0, active=0, oldest_age_s=31.0),
            policy(),
            (5, Rule.LATE),
            id="nothing is lowered while the oldest message is late",
        ),
        pytest.param(
            reading(replicas=5, ready=1, oldest_age_s=30.0),
            policy(),
            (1, Rule.DEMAND),
            id="a message within its target is not late",
        ),
        pytest.param(
            reading(replicas=5, ready=1, oldest_age_s=31.0),
            policy(target=BacklogPerReplica(messages=1)),
            (1, Rule.DEMAND),
            id="without a waiting time as target nothing is late",
        ),
        pytest.param(
            reading(replicas=5, ready=9, oldest_age_s=31.0),
            policy(),
            (9, Rule.DEMAND),
            id="late messages do not hold growing back",
        ),
        pytest.param(
            reading(replicas=5, ready=1, active=None),
            policy(),
            (5, Rule.UNHEARD),
            id="nothing is lowered while workers are not heard",
        ),
        pytest.param(
            reading(replicas=10, active=10, unacked=10),
            policy(target=BacklogPerReplica(messages=100), slots_per_replica=4),
            (3, Rule.DEMAND),
            id="running tasks keep their slots, packed",
        ),
        pytest.param(
            reading(replicas=4, ready=9),
            policy(override=Override(is_growing_paused=True)),
            (4, Rule.GROWING_PAUSED),
            id="growing paused",
        ),
        pytest.param(
            reading(replicas=4, ready=1, draining=2),
            policy(override=Override(is_shrinking_paused=True)),
            (6, Rule.SHRINKING_PAUSED),
            id="shrinking paused wakes what drains",
        ),
        pytest.param(
            reading(replicas=4, draining=2),
            policy(override=Override(is_paused=True)),
            (6, Rule.PAUSED),
            id="paused holds all replicas",
        ),
        pytest.param(
            reading(replicas=4, ready=None),
            policy(override=Override(replicas=40, is_paused=True)),
            (40, Rule.FIXED),
            id="a size fixed by hand is above all, bounds too",
        ),
        pytest.param(
            reading(replicas=9, ready=10, active=0),
            policy(behavior=Behavior(scale_up=ScalingRules(tolerance_ratio=0.2))),
            (9, Rule.TOLERANCE),
            id="a little more is tolerated",
        ),
        pytest.param(
            reading(replicas=10, active=9, unacked=9),
            policy(behavior=Behavior(scale_down=ScalingRules(tolerance_ratio=0.1))),
            (10, Rule.TOLERANCE),
            id="a little less is tolerated",
        ),
        pytest.param(
            reading(replicas=10, active=8, unacked=8),
            policy(behavior=Behavior(scale_down=ScalingRules(tolerance_ratio=0.1))),
            (8, Rule.DEMAND),
            id="more than that is not",
        ),
    ],
)
def test_decide_follows_the_rules(
    seen: PoolReading, wanted: ScalingPolicy, want: tuple[int, Rule]
) -> None:
    assert decided(seen, wanted, remembered()) == want
