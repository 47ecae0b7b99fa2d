"""The course of sizes over time, for the load shapes that the competition was measured with."""

import math
import random

import pytest

from tests.unit.scaling.toy import Toy, default_policy


def poisson(rng: random.Random, mean: float) -> int:
    count, product = 0, rng.random()
    while product > math.exp(-mean):
        count, product = count + 1, product * rng.random()
    return count


def test_a_burst_on_an_empty_pool_is_answered_in_the_first_decision() -> None:
    """40 one-minute tasks, at most 32 replicas (tuned KEDA: 12-29 s in up to three steps)."""
    toy = Toy(policy=default_policy(max_replicas=32))
    toy.run(10)
    toy.publish(*[60.0] * 40)
    toy.run(2)

    assert toy.sizes[-2:] == [0, 32]


def test_a_burst_is_gone_after_window_and_cooldown() -> None:
    toy = Toy(policy=default_policy(max_replicas=32))
    toy.publish(*[60.0] * 40)
    toy.run(3 + 60 + 60 + 1)
    assert (len(toy.waiting), len(toy.waits_s)) == (0, 40)
    toy.run(62)

    assert toy.workers == []


def test_a_second_burst_of_known_tasks_is_answered_as_fast() -> None:
    toy = Toy(policy=default_policy(max_replicas=32))
    toy.publish(*[60.0] * 40)
    toy.run(300)
    toy.publish(*[60.0] * 40)
    toy.run(2)

    assert toy.sizes[-2:] == [0, 32]


@pytest.mark.parametrize(
    ("rate", "runtime_s", "most"),
    [
        pytest.param(0.5, 20.0, 1.25, id="ten Erlang: Erlang's formula itself says twelve"),
        pytest.param(0.25, 120.0, 1.2, id="thirty Erlang of long tasks"),
        pytest.param(8.0, 2.0, 1.2, id="sixteen Erlang of short tasks"),
    ],
)
def test_a_steady_load_gets_what_it_needs_and_little_more(
    rate: float, runtime_s: float, most: float
) -> None:
    rng = random.Random(7)
    toy = Toy(policy=default_policy(max_replicas=100))
    for _ in range(1800):
        toy.publish(*(rng.expovariate(1 / runtime_s) for _ in range(poisson(rng, rate))))
        toy.run(1)

    waits_s = sorted(toy.waits_s)
    assert waits_s[int(len(waits_s) * 0.95)] <= 30.0
    assert toy.replica_s <= most * toy.busy_s


def test_a_pool_with_a_trickle_keeps_one_replica() -> None:
    toy = Toy(policy=default_policy(max_replicas=10))
    for _ in range(40):
        toy.publish(1.0)
        toy.run(20)

    assert set(toy.sizes) == {1}
    assert max(toy.waits_s[1:]) <= 1.0
