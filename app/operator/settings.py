"""What the operator is told when it starts."""

from dataclasses import dataclass

from pydantic import SecretStr

from app.broker.connections.address import NO_SENTINEL, SentinelEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """The whole configuration of an operator; everything else is in the WorkerPools."""

    namespaces: tuple[str, ...]
    """Namespaces that are served. None: the whole cluster."""
    is_dry_run: bool = False
    """Print what each pool should have, and write nothing anywhere."""
    url_for_all: SecretStr | None = None
    """The broker of every pool, in a dry run from outside of the cluster."""
    broker_url: SecretStr | None = None
    """For pools without `spec.broker.secretKeyRef`."""
    sentinel: SentinelEntry = NO_SENTINEL
    """How the Sentinels of that URL are entered."""
    liveness_url: str | None = None
    """Where liveness is served, `http://0.0.0.0:8080/healthz`; readiness is `/readyz` beside it."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    """Where metrics are served, if anywhere."""
    instance: str = "operator"
    """Who reports an Event: the operator's pod."""
    lease_namespace: str | None = None
    """Where an operator of the whole cluster holds its Lease; its own namespace by default."""

    @property
    def scopes(self) -> tuple[str | None, ...]:
        """The namespaces to list one by one; `None` is the whole cluster."""
        return self.namespaces or (None,)
