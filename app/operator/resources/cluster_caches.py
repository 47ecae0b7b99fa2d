"""The caches of the operator, and their informers: one for each kind and namespace."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.control.pool import spec as specs
from app.operator.kubernetes.apiserver import ApiServer, object_path
from app.operator.kubernetes.informer import Collection, Informer, Store
from app.operator.resources import workload_kinds
from app.operator.resources.pods import PodStore
from app.operator.resources.pool_cache import PoolCache
from app.operator.resources.scale import AutoscalerStore, ScaleStore, group_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Caches:
    """What the operator knows of the cluster without asking."""

    pools: PoolCache
    pods: PodStore
    scales: Sequence[ScaleStore]
    autoscalers: AutoscalerStore
    informers: Sequence[Informer]

    async def listed(self) -> None:
        """Return when every cache is complete for the first time."""
        await asyncio.gather(*(each.listed() for each in self.informers))

    def lost_for_s(self) -> float:
        """For how long the cache that has been out of date the longest has been so."""
        return max((each.lost_for_s or 0.0 for each in self.informers), default=0.0)


def build_caches(
    server: ApiServer,
    scopes: Sequence[str | None],
    *,
    clock: Callable[[], float],
    is_dry_run: bool = False,
) -> Caches:
    """Build the caches of these namespaces (`None`: the whole cluster), all of them empty."""
    pools = PoolCache(is_dry_run=is_dry_run)
    pods, autoscalers = PodStore(), AutoscalerStore()
    scales = [
        ScaleStore(group=group_of(each.api_version), kind=each.kind)
        for each in workload_kinds.WATCHED
    ]
    stores: list[tuple[str, str, Store, bool]] = [
        (specs.API_VERSION, specs.PLURAL, pools, False),
        ("v1", "pods", pods, False),
        ("autoscaling/v2", "horizontalpodautoscalers", autoscalers, True),
        *(
            (each.api_version, each.plural, store, False)
            for each, store in zip(workload_kinds.WATCHED, scales, strict=True)
        ),
    ]
    informers = [
        Informer(
            server,
            Collection(
                name=plural,
                path=object_path(version, plural, namespace=namespace),
                is_optional=is_optional,
            ),
            store,
            clock=clock,
        )
        for namespace in scopes
        for version, plural, store, is_optional in stores
    ]
    return Caches(
        pools=pools, pods=pods, scales=scales, autoscalers=autoscalers, informers=informers
    )
