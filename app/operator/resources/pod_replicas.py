"""Pods as the replicas of a pool: the `Replicas` of the loop.

Reads come from caches. Writes are a patch of `/scale`, and drain marks on pods.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.spec import Mode
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import DrainMark, Instance, InstanceName, ScaleTarget
from app.errors import AccessDenied, CeleriacError, Conflict, InvalidInput, NotFound
from app.operator.kubernetes import responses
from app.operator.kubernetes.apiserver import ApiServer, Document, Patch, object_path
from app.operator.resources import pods, scale, well_known
from app.operator.resources.cluster_caches import Caches
from app.operator.resources.pods import Pod
from app.operator.resources.scale import Scale, TargetKey
from app.operator.resources.selectors import Selector
from app.operator.resources.workload_kinds import ScalableKinds
from app.scaling.replica_state import Removal

ECHO_S = 2.0
"""How long the cache may take to show our own patch of a pod."""
STALE_S = 60.0
"""A state that has been out of date for longer is not acted upon."""

Names = Collection[InstanceName]


class PodReplicas:
    """Targets in Kubernetes and their pods."""

    def __init__(self, server: ApiServer, caches: Caches, *, clock: Callable[[], float]) -> None:
        self._server = server
        self._caches = caches
        self._kinds = ScalableKinds(server, clock=clock)

    async def read(self, pool: WorkerPool) -> ScaleTarget:
        """The target of a pool and its pods. Raises `PoolProblem` (`TARGET_…`)."""
        key = _key(pool)
        self._raise_if_out_of_date()
        self._raise_if_shared(pool, key)
        found = await self._scale(pool, key)
        replicas = self._caches.pods.matching(key.namespace, found.selector)
        instances = tuple(_counted(pod.instance, found.first_ordinal) for pod in replicas)
        return ScaleTarget(
            replicas=found.replicas,
            ready_replicas=sum(each.is_ready and not each.is_ending for each in instances),
            removal=pods.removal_of(replicas, kind=key.kind),
            instances=instances,
            selector=str(found.selector),
            pods_problem=_pods_problem(found, key),
        )

    async def scale_to(
        self, pool: WorkerPool, *, was: int, replicas: int, victims: Sequence[InstanceName]
    ) -> int:
        """Write the deletion costs of the victims, then the scale. Raises `PoolProblem`."""
        key = _key(pool)
        found = await self._scale(pool, key)
        own = self._caches.pods.matching(key.namespace, found.selector)
        if replicas < was and pods.removal_of(own, kind=key.kind) is Removal.CHOSEN:
            _raise_if_others_go_first(own, victims)
            await self._write_costs(key, found.selector, victims)
        path = await self._path(pool, subresource="scale")
        patch = scale.scale_patch(was=was, replicas=replicas)
        try:
            answer = await self._server.patch(path, patch, kind=Patch.JSON)
        except CeleriacError as error:
            raise _problem(error, key, what=f"set to {replicas} replicas") from error
        written = scale.of_scale(answer)
        self._remember(key, written)
        return written.replicas

    async def mark(self, pool: WorkerPool, marks: Mapping[InstanceName, DrainMark | None]) -> None:
        """Mark the pods that drain, and remove mark and deletion cost from those that do not."""
        await asyncio.gather(
            *(
                self._patch_pod(pool.key.namespace, name, pods.mark_patch(mark, pool=pool.key.name))
                for name, mark in marks.items()
            )
        )

    def _raise_if_out_of_date(self) -> None:
        lost_for_s = self._caches.lost_for_s()
        if lost_for_s > STALE_S:
            raise PoolProblem(
                ProblemReason.TARGET_UNREACHABLE,
                f"the API server has not answered for {lost_for_s:.0f} s: nothing is changed",
            )

    def _raise_if_shared(self, pool: WorkerPool, key: TargetKey) -> None:
        other = self._caches.autoscalers.find(key)
        if other is not None and pool.spec.mode is Mode.AUTO:
            raise PoolProblem(
                ProblemReason.TARGET_SHARED,
                f"HorizontalPodAutoscaler {other} scales {key} too: delete it (or the ScaledObject "
                'that made it), or set spec.mode to DryRun or "Off"',
            )

    async def _scale(self, pool: WorkerPool, key: TargetKey) -> Scale:
        for store in self._caches.scales:
            if (store.group, store.kind) == (key.group, key.kind):
                found = store.find(key)
                break
        else:
            found = await self._fetch_scale(pool, key)
        if found is None:
            raise PoolProblem(
                ProblemReason.TARGET_NOT_FOUND,
                f"there is no {key}: create it, or correct spec.scaleTargetRef",
            )
        return found

    async def _fetch_scale(self, pool: WorkerPool, key: TargetKey) -> Scale | None:
        try:
            return scale.of_scale(
                await self._server.get(await self._path(pool, subresource="scale"))
            )
        except NotFound:
            return None
        except (CeleriacError, ValueError) as error:
            raise _problem(error, key, what="read") from error

    async def _path(self, pool: WorkerPool, *, subresource: str) -> str:
        reference = pool.spec.scale_target_ref
        plural = await self._kinds.plural(reference)
        target_path = object_path(
            reference.api_version, plural, namespace=pool.key.namespace, name=reference.name
        )
        return f"{target_path}/{subresource}"

    async def _write_costs(self, key: TargetKey, selector: Selector, victims: Names) -> None:
        """Give exactly the victims the lowest deletion cost, and wait until the cache shows it.

        Pods that still drain have a mark and no cost: a ReplicaSet would choose among equals. The
        controllers see a cost as we do, by a watch, so what our cache shows they can see too.
        """
        own = self._caches.pods.matching(key.namespace, selector)
        wrong = [pod for pod in own if pod.is_first_to_go != (pod.instance.name in victims)]
        await asyncio.gather(*(self._patch_cost(pod, victims) for pod in wrong))
        try:
            async with asyncio.timeout(ECHO_S):
                for pod in wrong:
                    is_victim = pod.instance.name in victims
                    await self._caches.pods.cost_seen(pod.uid, is_first_to_go=is_victim)
        except TimeoutError:
            raise PoolProblem(
                ProblemReason.SCALE_CONFLICT,
                f"the deletion costs of {key}'s pods are not in effect yet",
            ) from None

    async def _patch_cost(self, pod: Pod, victims: Names) -> None:
        cost = well_known.FIRST_TO_GO if pod.instance.name in victims else None
        patch: Document = {"metadata": {"annotations": {well_known.DELETION_COST: cost}}}
        await self._patch_pod(pod.namespace, pod.instance.name, patch)

    async def _patch_pod(self, namespace: str, name: InstanceName, patch: Document) -> None:
        """Write labels and annotations of a pod.

        Through its status subresource, which ignores the spec: who steals the operator's token
        cannot change what a pod runs.
        """
        path = object_path("v1", "pods", namespace=namespace, name=name)
        try:
            answer = await self._server.patch(f"{path}/status", patch)
        except NotFound:
            return
        except CeleriacError as error:
            raise _pod_problem(error, namespace, name) from error
        if not pods.shows(answer, patch):
            raise PoolProblem(
                ProblemReason.POD_PATCH_REFUSED,
                f"pod {namespace}/{name} cannot be marked, so it is not drained: the API server "
                "ignores labels and annotations in pods/status",
            )

    def _remember(self, key: TargetKey, answer: Scale) -> None:
        for store in self._caches.scales:
            if (store.group, store.kind) == (key.group, key.kind):
                store.written(key, answer)


def _counted(instance: Instance, first_ordinal: int) -> Instance:
    """With an ordinal that counts from 0, as the replicas of a StatefulSet do."""
    if instance.ordinal is None or first_ordinal == 0:
        return instance
    return replace(instance, ordinal=instance.ordinal - first_ordinal)


def _raise_if_others_go_first(own: Iterable[Pod], victims: Sequence[InstanceName]) -> None:
    """A ReplicaSet that shrinks removes pods that are not ready first, whatever their cost."""
    for pod in own:
        each = pod.instance
        is_at_risk = each.is_started and not each.is_ready and not each.is_ending
        if victims and is_at_risk and each.name not in victims:
            raise PoolProblem(
                ProblemReason.SCALE_CONFLICT,
                f"pod {each.name} runs and is not ready, so Kubernetes would remove it in place of "
                "a drained one: waiting until it is ready",
            )


def _key(pool: WorkerPool) -> TargetKey:
    reference = pool.spec.scale_target_ref
    return TargetKey(
        scale.group_of(reference.api_version),
        reference.kind,
        pool.key.namespace,
        reference.name,
    )


def _problem(error: Exception, key: TargetKey, *, what: str) -> PoolProblem:
    match error:
        case PoolProblem():
            return error
        case AccessDenied():
            message = f"the operator may not have {key} {what}: its Role needs get and patch on "
            return PoolProblem(ProblemReason.TARGET_FORBIDDEN, f"{message}its scale subresource")
        case NotFound():
            return PoolProblem(ProblemReason.TARGET_NOT_FOUND, f"there is no {key} any more")
        case Conflict():
            return PoolProblem(
                ProblemReason.SCALE_CONFLICT,
                f"another client changed the replicas of {key} before they were {what}",
            )
        case InvalidInput():
            reason = responses.server_message(error)
            message = f"the API server does not allow {key} to be {what}: {reason}"
            return PoolProblem(ProblemReason.SCALE_REFUSED, message)
        case _:
            return PoolProblem(ProblemReason.TARGET_UNREACHABLE, f"{key} cannot be {what}: {error}")


def _pods_problem(found: Scale, key: TargetKey) -> PoolProblem | None:
    if not found.failure:
        return None
    return PoolProblem(
        ProblemReason.PODS_REFUSED,
        f"{key} is set to {found.replicas} replicas, and not all of its pods can be created: "
        f"{found.failure}",
    )


def _pod_problem(error: CeleriacError, namespace: str, name: InstanceName) -> PoolProblem:
    match error:
        case AccessDenied():
            message = "its Role needs patch on pods/status, to mark those that drain"
            return PoolProblem(ProblemReason.TARGET_FORBIDDEN, f"{error}: {message}")
        case InvalidInput():
            words = responses.server_message(error)
            message = f"pod {namespace}/{name} cannot be marked, so it is not drained: {words}"
            return PoolProblem(ProblemReason.POD_PATCH_REFUSED, message)
        case Conflict():
            message = f"pod {namespace}/{name} was changed by another client: {error}"
            return PoolProblem(ProblemReason.SCALE_CONFLICT, message)
        case _:
            return PoolProblem(ProblemReason.TARGET_UNREACHABLE, f"pod {name}: {error}")
