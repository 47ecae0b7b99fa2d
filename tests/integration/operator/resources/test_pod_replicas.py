"""Targets and their pods as the loop reads and writes them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from app.control.pool import worker_pool as pools
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.worker_pool import PoolKey, WorkerPool
from app.control.ports import DrainMark, InstanceName
from app.operator.resources import pod_replicas, well_known
from app.operator.resources.cluster_caches import Caches
from app.operator.resources.pod_replicas import PodReplicas
from app.operator.resources.pods import PodStore
from app.operator.resources.pool_cache import PoolCache
from app.operator.resources.scale import AutoscalerStore, ScaleStore
from app.scaling.replica_state import Removal
from tests.integration.operator.objects import Objects
from tests.integration.operator.serving import serving
from tests.unit.operator.builders import pod

SCALE = "/apis/apps/v1/namespaces/shop/deployments/worker/scale"
PODS = "/api/v1/namespaces/shop/pods"


def pool(*, mode: str = "Auto", **target: str) -> WorkerPool:
    reference = {"name": "worker"} | target
    spec = {"scaleTargetRef": reference, "queues": ["q"], "mode": mode}
    return WorkerPool(key=PoolKey("shop", "mail"), spec=pools.parse_spec(spec))


class Scene:
    """A Deployment `worker` of two replicas, as watches have seen it."""

    def __init__(self, objects: Objects, server: Any) -> None:
        self.objects = objects
        self.pods = PodStore()
        self.autoscalers = AutoscalerStore()
        self.scales = ScaleStore(group="apps", kind="Deployment")
        self.scales.put("w", workload())
        self.sets = ScaleStore(group="apps", kind="StatefulSet")
        self.pods.put("1", pod("worker-a", uid="1"))
        self.pods.put("2", pod("worker-b", uid="2"))
        caches = Caches(
            pools=PoolCache(),
            pods=self.pods,
            scales=(self.scales, self.sets),
            autoscalers=self.autoscalers,
            informers=(),
        )
        self.replicas = PodReplicas(server, caches, clock=lambda: 0.0)

    def echo(self) -> None:
        """Let the cache show each patch of a pod."""

        def show(path: str, patch: Any) -> None:
            if path.startswith(PODS):
                name = path.split("/")[-2]
                uid = {"worker-a": "1", "worker-b": "2"}[name]
                kept = {k: v for k, v in patch["metadata"]["annotations"].items() if v}
                self.pods.put(uid, pod(name, uid=uid, annotations=kept))

        self.objects.on_patch = show


def workload() -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": "worker", "resourceVersion": "10"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "shop"}}},
    }


def scale_document(replicas: int, *, version: str = "11") -> dict[str, Any]:
    return {
        "metadata": {"resourceVersion": version},
        "spec": {"replicas": replicas},
        "status": {"selector": "app=shop"},
    }


def play(account: Path, act: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        objects = Objects()
        async with serving(objects.handle, account) as server:
            await act(Scene(objects, server))

    asyncio.run(run())


def problem_of(account: Path, act: Callable[[Scene], Awaitable[object]]) -> PoolProblem:
    async def fail(scene: Scene) -> None:
        await act(scene)

    with pytest.raises(PoolProblem) as raised:
        play(account, fail)
    return raised.value


def test_a_target_is_read_without_a_request(account: Path) -> None:
    async def act(scene: Scene) -> None:
        target = await scene.replicas.read(pool())
        assert (target.replicas, target.ready_replicas, target.selector) == (2, 2, "app=shop")
        assert target.removal is Removal.CHOSEN
        assert [each.name for each in target.instances] == ["worker-a", "worker-b"]
        assert scene.objects.asked == []

    play(account, act)


def cost_patch(cost: str | None) -> dict[str, Any]:
    return {"metadata": {"annotations": {well_known.DELETION_COST: cost}}}


SHRINK = [
    {"op": "test", "path": "/spec/replicas", "value": 2},
    {"op": "add", "path": "/spec/replicas", "value": 1},
]


def test_shrinking_prices_the_victims_before_the_one_write(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.documents[SCALE] = scale_document(1)
        scene.echo()
        victims = (InstanceName("worker-b"),)
        await scene.replicas.scale_to(pool(), was=2, replicas=1, victims=victims)
        assert scene.objects.written == [
            (f"{PODS}/worker-b/status", cost_patch(well_known.FIRST_TO_GO)),
            (SCALE, SHRINK),
        ]
        assert (await scene.replicas.read(pool())).replicas == 1

    play(account, act)


def test_a_pod_that_still_drains_gets_no_cost_with_the_victims(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.documents[SCALE] = scale_document(1)
        scene.echo()
        earlier = {well_known.DELETION_COST: well_known.FIRST_TO_GO}
        scene.pods.put("1", pod("worker-a", uid="1", annotations=earlier))
        victims = (InstanceName("worker-b"),)
        await scene.replicas.scale_to(pool(), was=2, replicas=1, victims=victims)
        assert dict(scene.objects.written) == {
            f"{PODS}/worker-a/status": cost_patch(None),
            f"{PODS}/worker-b/status": cost_patch(well_known.FIRST_TO_GO),
            SCALE: SHRINK,
        }
        assert scene.objects.written[-1][0] == SCALE

    play(account, act)


def test_a_price_that_nobody_has_heard_of_holds_the_write_back(
    account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_replicas, "ECHO_S", 0.05)

    async def act(scene: Scene) -> None:
        victims = (InstanceName("worker-b"),)
        try:
            await scene.replicas.scale_to(pool(), was=2, replicas=1, victims=victims)
        finally:
            assert [path for path, _ in scene.objects.written] == [f"{PODS}/worker-b/status"]

    assert problem_of(account, act).reason is ProblemReason.SCALE_CONFLICT


def test_a_mark_leaves_the_price_alone(account: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.replicas.mark(pool(), {InstanceName("worker-b"): DrainMark(since_s=5.0)})
        assert scene.objects.written == [
            (
                f"{PODS}/worker-b/status",
                {
                    "metadata": {
                        "labels": {well_known.DRAINING: "mail"},
                        "annotations": {
                            well_known.DRAINING_SINCE: "1970-01-01T00:00:05.000+00:00",
                            well_known.CANCELLED_CONSUMERS: None,
                        },
                    }
                },
            )
        ]

    play(account, act)


def test_a_mark_that_the_server_ignores_is_a_problem(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.documents[f"{PODS}/worker-b/status"] = {"metadata": {"labels": {}}}
        await scene.replicas.mark(pool(), {InstanceName("worker-b"): DrainMark(since_s=5.0)})

    problem = problem_of(account, act)
    assert problem.reason is ProblemReason.POD_PATCH_REFUSED
    assert "pods/status" in str(problem)


def test_a_pod_that_is_gone_needs_no_mark(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.failing = {"PATCH": 404}
        await scene.replicas.mark(pool(), {InstanceName("worker-z"): None})

    play(account, act)


def test_a_busy_pod_that_is_not_ready_is_not_given_up_in_a_victims_place(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.pods.put("1", pod("worker-a", ready=False))
        victims = (InstanceName("worker-b"),)
        await scene.replicas.scale_to(pool(), was=2, replicas=1, victims=victims)

    problem = problem_of(account, act)
    assert problem.reason is ProblemReason.SCALE_CONFLICT
    assert "pod worker-a runs and is not ready" in str(problem)


@pytest.mark.parametrize(
    ("status", "want"),
    [
        (400, ProblemReason.SCALE_REFUSED),
        (403, ProblemReason.TARGET_FORBIDDEN),
        (404, ProblemReason.TARGET_NOT_FOUND),
        (409, ProblemReason.SCALE_CONFLICT),
        (413, ProblemReason.SCALE_REFUSED),
        (422, ProblemReason.SCALE_REFUSED),
        (429, ProblemReason.TARGET_UNREACHABLE),
        (503, ProblemReason.TARGET_UNREACHABLE),
    ],
)
def test_a_write_that_fails_says_why(account: Path, status: int, want: ProblemReason) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.failing = {"PATCH": status}
        await scene.replicas.scale_to(pool(), was=2, replicas=5, victims=())

    assert problem_of(account, act).reason is want


@pytest.mark.parametrize(
    ("status", "want"),
    [
        (400, ProblemReason.POD_PATCH_REFUSED),
        (403, ProblemReason.TARGET_FORBIDDEN),
        (409, ProblemReason.SCALE_CONFLICT),
        (422, ProblemReason.POD_PATCH_REFUSED),
        (429, ProblemReason.TARGET_UNREACHABLE),
        (503, ProblemReason.TARGET_UNREACHABLE),
    ],
)
def test_a_mark_that_fails_says_why(account: Path, status: int, want: ProblemReason) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.failing = {"PATCH": status}
        await scene.replicas.mark(pool(), {InstanceName("worker-b"): DrainMark(since_s=5.0)})

    assert problem_of(account, act).reason is want


def test_a_refused_size_is_told_in_the_words_of_the_server(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.failing = {"PATCH": 422}
        scene.objects.said = {"message": "no more than 4 replicas here", "details": {"name": "d"}}
        await scene.replicas.scale_to(pool(), was=2, replicas=5, victims=())

    want = (
        "the API server does not allow Deployment shop/worker to be set to 5 replicas: "
        "no more than 4 replicas here"
    )
    assert str(problem_of(account, act)) == want


def test_pods_that_a_quota_refuses_are_told(account: Path) -> None:
    async def act(scene: Scene) -> None:
        document = workload()
        failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"}
        document["status"] = {"conditions": [{"type": "Available", "status": "True"}, failure]}
        document["metadata"]["resourceVersion"] = "11"
        scene.scales.put("w", document)
        found = (await scene.replicas.read(pool())).pods_problem
        assert found is not None
        assert found.reason is ProblemReason.PODS_REFUSED
        assert "is set to 2 replicas" in str(found)
        assert "exceeded quota: small" in str(found)

    play(account, act)


def test_a_missing_target_is_named(account: Path) -> None:
    problem = problem_of(account, lambda scene: scene.replicas.read(pool(name="absent")))
    assert problem.reason is ProblemReason.TARGET_NOT_FOUND
    assert "there is no Deployment shop/absent" in str(problem)


def autoscaler() -> dict[str, Any]:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "worker"}
    return {
        "metadata": {"namespace": "shop", "name": "keda-hpa"},
        "spec": {"scaleTargetRef": reference},
    }


def test_a_target_of_another_autoscaler_is_left_alone(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.autoscalers.put("h", autoscaler())
        await scene.replicas.read(pool())

    problem = problem_of(account, act)
    assert problem.reason is ProblemReason.TARGET_SHARED
    assert "HorizontalPodAutoscaler keda-hpa" in str(problem)


def test_a_dry_run_may_look_beside_another_autoscaler(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.autoscalers.put("h", autoscaler())
        assert (await scene.replicas.read(pool(mode="DryRun"))).replicas == 2
        scene.autoscalers.remove("h")
        assert (await scene.replicas.read(pool())).replicas == 2

    play(account, act)


ROLLOUT = {"apiVersion": "rollouts.dev/v1", "kind": "Rollout"}
ROLLOUTS = "/apis/rollouts.dev/v1"
OBJECT = f"{ROLLOUTS}/namespaces/shop/rollouts/worker/scale"


def test_any_kind_with_a_scale_can_be_a_target(account: Path) -> None:
    async def act(scene: Scene) -> None:
        served = [
            {"name": "rollouts", "kind": "Rollout"},
            {"name": "rollouts/scale", "kind": "Scale"},
        ]
        scene.objects.documents = {ROLLOUTS: {"resources": served}, OBJECT: scale_document(3)}
        target = await scene.replicas.read(pool(**ROLLOUT))
        assert (target.replicas, target.removal, len(target.instances)) == (3, Removal.CHOSEN, 2)
        await scene.replicas.scale_to(pool(**ROLLOUT), was=3, replicas=4, victims=())
        assert [path for path, _ in scene.objects.written] == [OBJECT]
        assert scene.objects.count(ROLLOUTS) == 1

    play(account, act)


@pytest.mark.parametrize(
    ("served", "want"),
    [
        pytest.param(None, "this cluster has no kind Rollout", id="no such group"),
        pytest.param([], "this cluster has no kind Rollout", id="no such kind"),
        pytest.param(
            [{"name": "rollouts", "kind": "Rollout"}], "a Rollout has no /scale", id="no scale"
        ),
    ],
)
def test_a_kind_that_cannot_be_scaled_says_so_and_is_not_asked_for_each_time(
    account: Path, served: list[dict[str, str]] | None, want: str
) -> None:
    counted: list[int] = []

    async def act(scene: Scene) -> None:
        scene.objects.documents = {} if served is None else {ROLLOUTS: {"resources": served}}
        try:
            await scene.replicas.read(pool(**ROLLOUT))
        except PoolProblem:
            await scene.replicas.read(pool(**ROLLOUT))
        finally:
            counted.append(scene.objects.count(ROLLOUTS))

    problem = problem_of(account, act)
    assert problem.reason is ProblemReason.TARGET_NOT_SCALABLE
    assert want in str(problem)
    assert counted == [1]


def test_ordinals_count_from_zero_wherever_they_start(account: Path) -> None:
    async def act(scene: Scene) -> None:
        document = workload()
        document["spec"]["ordinals"] = {"start": 5}
        scene.sets.put("s", document)
        owner = ("StatefulSet", "s")
        scene.pods.remove("1")
        scene.pods.remove("2")
        scene.pods.put("5", pod("worker-5", uid="5", owner=owner))
        scene.pods.put("6", pod("worker-6", uid="6", owner=owner))

        target = await scene.replicas.read(pool(kind="StatefulSet"))

        assert target.removal is Removal.HIGHEST_ORDINAL
        assert [each.ordinal for each in target.instances] == [0, 1]

    play(account, act)
