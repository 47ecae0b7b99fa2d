"""The settings that an operator starts with."""

from dataclasses import dataclass

from pydantic import SecretStr

from app.broker.connections.address import NO_SENTINEL, SentinelEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """The whole configuration of an operator; everything else is in the WorkerPools."""

    namespaces: tuple[str, ...]
    """The served namespaces; empty for the whole cluster."""
    is_dry_run: bool = False
    """Print recommendations, and write nothing."""
    url_for_all: SecretStr | None = None
    """The broker of every pool, for a dry run from outside the cluster."""
    broker_url: SecretStr | None = None
    """For pools without `spec.broker.secretKeyRef`."""
    sentinel: SentinelEntry = NO_SENTINEL
    """The login for the Sentinels of that URL."""
    liveness_url: str | None = None
    """The URL of liveness, `http://0.0.0.0:8080/healthz`; readiness is `/readyz` on its port."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    """The port of the metrics; `None` for no metrics."""
    instance: str = "operator"
    """The reporter in Events: the name of the operator's pod."""
    lease_namespace: str | None = None
    """The Lease's namespace for an operator of the whole cluster; by default its own namespace."""

    @property
    def scopes(self) -> tuple[str | None, ...]:
        """The namespaces to list, one by one; `None` is the whole cluster."""
        return self.namespaces or (None,)
