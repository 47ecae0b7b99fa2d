"""The spec of a WorkerPool: defaults, what is refused, and what decisions are made from."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.broker.redis_keys import CELERY_EXCHANGES, Exchanges
from app.control.pool import policies
from app.control.pool import worker_pool as pools
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.references import BrokerSpec
from app.control.pool.spec import Mode
from app.control.pool.worker_pool import PoolKey, UnreadablePool
from app.scaling.replica_state import DrainSettings
from app.scaling.sizing_inputs import (
    BacklogPerReplica,
    Behavior,
    Fallback,
    FallbackBehavior,
    Override,
    PolicyType,
    QueueWait,
    RatePolicy,
    ScalingPolicy,
    ScalingRules,
    SelectPolicy,
)
from tests.unit.control.builders import worker_pool

LEAST = {"scaleTargetRef": {"name": "worker"}, "queues": ["documents"]}
WINDOW = {"name": "office", "start": "0 8 * * *", "end": "0 18 * * *"}


def test_two_fields_are_enough() -> None:
    spec = pools.parse_spec(LEAST)

    assert (spec.mode, spec.min_replicas, spec.max_replicas) == (Mode.AUTO, 0, 10)
    assert (spec.scale_target_ref.api_version, spec.scale_target_ref.kind) == (
        "apps/v1",
        "Deployment",
    )


@pytest.mark.parametrize(
    ("change", "want"),
    [
        pytest.param({"queue": "x"}, "spec.queue: Extra inputs", id="a field that is not there"),
        pytest.param({"queues": []}, "spec.queues:", id="no queue"),
        pytest.param({"queues": ["a", "a"]}, "twice", id="a queue twice"),
        pytest.param({"minReplicas": 11}, "must not be above maxReplicas", id="min above max"),
        pytest.param({"minReplicas": -1}, "spec.minReplicas:", id="less than nothing"),
        pytest.param({"target": {}}, "exactly one of", id="no target"),
        pytest.param(
            {"target": {"queueWaitSeconds": 3, "backlogPerReplica": 3}},
            "exactly one of",
            id="two targets",
        ),
        pytest.param({"target": {"queueWaitSeconds": 0}}, "spec.target.queueWait", id="no wait"),
        pytest.param({"schedules": [WINDOW]}, "sets minReplicas, maxReplicas", id="empty window"),
        pytest.param(
            {"schedules": [WINDOW | {"minReplicas": 11}]},
            "schedule 'office': minReplicas",
            id="window above the maximum",
        ),
        pytest.param(
            {"schedules": [WINDOW | {"minReplicas": 3, "maxReplicas": 2}]},
            "schedule 'office': minReplicas",
            id="window above its own maximum",
        ),
        pytest.param(
            {"schedules": [WINDOW | {"minReplicas": 1}, WINDOW | {"minReplicas": 2}]},
            "different names",
            id="two windows of one name",
        ),
        pytest.param(
            {"schedules": [WINDOW | {"minReplicas": 1, "timezone": "Europe/Atlantis"}]},
            "not an IANA time zone",
            id="a zone that does not exist",
        ),
        pytest.param(
            {"fallback": {"behavior": "static"}}, "needs fallback.replicas", id="fallback to what"
        ),
        pytest.param({"mode": "auto"}, "spec.mode:", id="a mode in lower case"),
        pytest.param(
            {"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 0}]}}},
            "spec.behavior.scaleUp.policies.0.value:",
            id="a policy of nothing",
        ),
    ],
)
def test_what_cannot_work_is_refused_by_name(change: dict[str, Any], want: str) -> None:
    with pytest.raises(PoolProblem) as caught:
        pools.parse_spec(LEAST | change)

    assert caught.value.reason is ProblemReason.INVALID_SPEC
    assert want in str(caught.value)


def test_a_whole_spec_becomes_a_policy() -> None:
    pool = worker_pool(
        minReplicas=1,
        maxReplicas=20,
        concurrency=4,
        target={"backlogPerReplica": 5},
        activationThreshold=2,
        cooldownPeriodSeconds=90,
        replicas=7,
        behavior={
            "scaleUp": {
                "stabilizationWindowSeconds": 5,
                "selectPolicy": "Min",
                "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
                "tolerance": 0.2,
            },
        },
        schedules=[{"name": "always", "start": "* * * * *", "end": "0 0 29 2 *", "minReplicas": 3}],
        fallback={"failureThreshold": 5, "behavior": "currentReplicasIfHigher", "replicas": 2},
    )

    assert policies.build_policy(pool, now_s=1_800_000_000.0) == ScalingPolicy(
        min_replicas=3,
        max_replicas=20,
        slots_per_replica=4,
        target=BacklogPerReplica(messages=5),
        activation_depth=2,
        cooldown_s=90.0,
        behavior=Behavior(
            scale_up=ScalingRules(
                stabilization_window_s=5.0,
                select_policy=SelectPolicy.MIN,
                policies=(RatePolicy(type=PolicyType.PERCENT, value=100, period_s=15.0),),
                tolerance_ratio=0.2,
            ),
        ),
        fallback=Fallback(
            failure_threshold=5,
            behavior=FallbackBehavior.CURRENT_REPLICAS_IF_HIGHER,
            replicas=2,
        ),
        override=Override(replicas=7),
        schedules=("always",),
    )


def test_the_defaults_of_a_spec_are_those_of_a_policy() -> None:
    pool = worker_pool(concurrency=None, cooldownPeriodSeconds=60)

    assert policies.build_policy(pool, now_s=0.0) == ScalingPolicy(target=QueueWait(wait_s=30.0))


@pytest.mark.parametrize(
    ("drain", "want"),
    [
        pytest.param({}, DrainSettings(), id="as usual"),
        pytest.param(
            {"timeoutSeconds": 60, "onTimeout": "Retire"},
            DrainSettings(timeout_s=60.0, ends_busy=True),
            id="impatient",
        ),
        pytest.param({"policy": "None"}, DrainSettings(is_idle_first=False), id="none"),
    ],
)
def test_a_drain_is_as_its_owner_wants_it(drain: dict[str, Any], want: DrainSettings) -> None:
    assert policies.build_drain_policy(worker_pool(drain=drain).spec) == want


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param({}, Override(), id="none"),
        pytest.param({"celeriac.dev/paused": " True "}, Override(is_paused=True), id="paused"),
        pytest.param(
            {"celeriac.dev/paused-replicas": "3"},
            Override(is_paused=True, replicas=3),
            id="paused at a size",
        ),
        pytest.param(
            {
                "celeriac.dev/paused-scale-in": "true",
                "celeriac.dev/paused-scale-out": "true",
                "celeriac.dev/force-activation": "true",
                "example.com/paused": "whatever",
            },
            Override(is_shrinking_paused=True, is_growing_paused=True, is_activated=True),
            id="all the others",
        ),
    ],
)
def test_annotations_become_an_override(given: dict[str, str], want: Override) -> None:
    assert policies.override(given, replicas=None) == want


def test_an_annotation_is_stronger_than_the_spec() -> None:
    given = {policies.PAUSED_REPLICAS: "3"}

    assert policies.override(given, replicas=7).replicas == 3


@pytest.mark.parametrize("text", ["-1", "two", "1.5", ""])
def test_a_size_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(PoolProblem, match="write a number of replicas"):
        policies.override({policies.PAUSED_REPLICAS: text}, replicas=None)


def test_a_pool_is_named_by_namespace_and_name() -> None:
    key = PoolKey("apps", "shop")

    assert str(key) == "apps/shop"
    assert sorted([PoolKey("b", "a"), key]) == [key, PoolKey("b", "a")]
    assert UnreadablePool(key=key, problem=PoolProblem(ProblemReason.INVALID_SPEC, "x")).uid == ""


@pytest.mark.parametrize("name", ["", "with blank", "star*", "a?b", "[ab]", "a" * 254])
def test_an_exchange_has_no_blanks_and_no_globs(name: str) -> None:
    with pytest.raises(ValidationError):
        BrokerSpec.model_validate({"eventExchange": name})
    with pytest.raises(ValidationError):
        BrokerSpec.model_validate({"controlExchange": name})


@pytest.mark.parametrize("prefix", ["shop.", "/shop", "/a.b.", "/a b.", "/*."])
def test_a_fanout_prefix_that_kombu_cannot_take_off_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError):
        BrokerSpec.model_validate({"fanoutPrefix": prefix})


def test_exchanges_are_celerys_unless_they_are_named() -> None:
    named = {"eventExchange": "shop.events", "controlExchange": "shop", "fanoutPrefix": ""}

    assert BrokerSpec().exchanges == CELERY_EXCHANGES
    assert BrokerSpec.model_validate(named).exchanges == Exchanges(
        events="shop.events", control="shop", fanout_prefix=""
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"scaleTargetRef": {"name": "../../kube-system/deployments/dns"}}, id="up"),
        pytest.param({"scaleTargetRef": {"name": ".."}}, id="dots alone"),
        pytest.param({"scaleTargetRef": {"name": "a/scale"}}, id="a subresource"),
        pytest.param({"scaleTargetRef": {"name": "a?dryRun=All"}}, id="a query"),
        pytest.param({"scaleTargetRef": {"name": "a", "kind": "../pods"}}, id="a kind"),
        pytest.param({"scaleTargetRef": {"name": "a", "apiVersion": "../v1"}}, id="a version"),
        pytest.param({"scaleTargetRef": {"name": "a", "apiVersion": "v1/a/b"}}, id="a longer one"),
        pytest.param(
            {"broker": {"secretKeyRef": {"name": "../../victim/secrets/broker"}}}, id="a Secret"
        ),
        pytest.param(
            {"broker": {"secretKeyRef": {"name": "broker", "key": "../url"}}}, id="a key of one"
        ),
    ],
)
def test_names_lead_to_no_other_object(changes: dict[str, Any]) -> None:
    whole = {"queues": ["orders"], "scaleTargetRef": {"name": "orders"}, "maxReplicas": 2}
    with pytest.raises(PoolProblem):
        pools.parse_spec(whole | changes)


@pytest.mark.parametrize("name", ["orders", "orders.v2", "0-9"])
def test_names_of_objects_are_taken(name: str) -> None:
    whole = {"queues": ["orders"], "scaleTargetRef": {"name": name}, "maxReplicas": 2}
    assert pools.parse_spec(whole).scale_target_ref.name == name
