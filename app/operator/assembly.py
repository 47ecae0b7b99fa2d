"""Builds the parts of an operator; nothing is opened or started here."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from app.control.loop import Loop
from app.control.ports import Brokers
from app.operator.dry_run import PrintedReports, ReadOnlyBrokers, ReadOnlyReplicas, Show
from app.operator.kubernetes.apiserver import ApiServer
from app.operator.leadership.election import Leadership, Unopposed
from app.operator.metrics import OperatorMetrics
from app.operator.probes import OperatorNeeds
from app.operator.resources.broker_links import KubernetesBrokers
from app.operator.resources.cluster_caches import Caches, build_caches
from app.operator.resources.pod_replicas import PodReplicas
from app.operator.resources.secrets import Secrets
from app.operator.settings import OperatorSettings
from app.operator.status.writer import KubernetesReports


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorParts:
    """Everything that runs side by side in an operator."""

    caches: Caches
    reports: KubernetesReports
    brokers: KubernetesBrokers
    loop: Loop
    leadership: Leadership | Unopposed

    def needs(self) -> OperatorNeeds:
        """What the operator needs to work, and whether it has it now."""
        informers = [each for each in self.caches.informers if not each.collection.is_optional]
        denied = (
            *(informer.denial for informer in informers),
            self.reports.denial,
            self.leadership.problem,
        )
        return OperatorNeeds(
            is_listed=all(each.is_listed for each in informers),
            denied=tuple(each for each in denied if each),
            silent_for_s=self.caches.lost_for_s(),
        )


def build_parts(
    settings: OperatorSettings,
    server: ApiServer,
    *,
    metrics: OperatorMetrics,
    show: Show,
    clock: Callable[[], float],
) -> OperatorParts:
    """Build an operator, or one that only recommends (a dry run)."""
    caches = build_caches(server, settings.scopes, clock=clock, is_dry_run=settings.is_dry_run)
    brokers = KubernetesBrokers(
        Secrets(server, clock=clock),
        own_url=settings.broker_url,
        url_for_all=settings.url_for_all,
        own_sentinel=settings.sentinel,
        clock=clock,
        has_revocations=not settings.is_dry_run,
    )
    reports = KubernetesReports(server, caches.pools, instance=settings.instance, metrics=metrics)
    replicas = PodReplicas(server, caches, clock=clock)
    used_brokers: Brokers = brokers
    leadership: Leadership | Unopposed = Leadership(
        server,
        lease_namespaces(settings, server),
        me=f"{settings.instance}_{uuid4().hex[:8]}",
        on_change=metrics.leads.set,
    )
    if settings.is_dry_run:
        reports = PrintedReports(server, caches.pools, metrics=metrics, show=show)
        replicas = ReadOnlyReplicas(server, caches, clock=clock)
        used_brokers = ReadOnlyBrokers(brokers)
        leadership = Unopposed()
    return OperatorParts(
        caches=caches,
        reports=reports,
        brokers=brokers,
        loop=Loop(
            pools=caches.pools,
            brokers=used_brokers,
            replicas=replicas,
            reporter=reports,
            clock=clock,
        ),
        leadership=leadership,
    )


def lease_namespaces(settings: OperatorSettings, server: ApiServer) -> tuple[str, ...]:
    """The namespaces of the Leases: those that are served, or one for the whole cluster."""
    own = settings.lease_namespace or server.namespace or "default"
    return settings.namespaces or (own,)
