"""A namespace for each module: with the WorkerPool kind, a Redis, and an operator that may do what
the shipped Role says."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import waiting
from tests.cluster import recipes, workloads
from tests.cluster.broker import Broker
from tests.cluster.kubectl import Kubectl, Manifest
from tests.cluster.live import Cluster
from tests.cluster.pools import manifests, operators
from tests.cluster.pools.history import History
from tests.cluster.pools.operators import ROOT, Operator

CRD = ROOT / "k8s/crd/workerpools.celeriac.dev.yaml"
CRD_NAME = "crd/workerpools.celeriac.dev"


@pytest.fixture(scope="session", autouse=True)
def _definition(cluster: Cluster) -> Iterator[None]:
    """The WorkerPool kind; a cluster of others that had none is left without it.

    Our own may be gone by the end of the session: `test_down.py` takes it down.
    """
    is_left = cluster.layout is not None or cluster.kubectl.find(CRD_NAME) is not None
    cluster.kubectl.apply_file(CRD)
    cluster.kubectl.wait(CRD_NAME, "Established")
    yield
    if not is_left:
        cluster.kubectl.delete(CRD_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNamespace:
    """Where a module's pools live."""

    kubectl: Kubectl
    broker: Broker
    image: str
    operator: Operator

    def deploy_workers(
        self,
        name: str,
        *,
        kind: str = "Deployment",
        replicas: int = 0,
        concurrency: int = 1,
        grace_s: int = 30,
        queues: Sequence[str] = (),
    ) -> None:
        """Workers of the stock application for the queue of this name, or for these."""
        self.kubectl.apply(
            workloads.build_worker(
                name,
                image=self.image,
                broker_url=self.broker.host_url,
                log_url=self.broker.host_url,
                kind=kind,
                queues=queues or (name,),
                replicas=replicas,
                concurrency=concurrency,
                grace_s=grace_s,
                arguments=("--without-gossip", "--without-mingle"),
            )
        )

    def history(self, name: str, *, kind: str = "deployment") -> History:
        """Follow what a target is set to."""
        return History(self.kubectl, f"{kind}/{name}")

    def pool(self, name: str) -> Manifest:
        """The pool as it is now."""
        return self.kubectl.get(f"wp/{name}")

    def celeriac(self, *words: str) -> str:
        """The output of the command line, which speaks to this cluster."""
        finished = subprocess.run(
            [sys.executable, "-m", "app", *words],
            cwd=ROOT,
            env=os.environ | {"KUBECONFIG": str(self.kubectl.kubeconfig)},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return finished.stdout

    def await_condition(
        self, name: str, kind: str, *, is_so: str, reason: str = "", within_s: float = 30
    ) -> Manifest:
        """The condition, once it has this status (and reason)."""

        def found() -> Manifest:
            condition = manifests.condition(self.kubectl.get(f"wp/{name}"), kind)
            fits = condition.get("status") == is_so and reason in ("", condition.get("reason"))
            return condition if fits else {}

        why = f"{name} becomes {kind}={is_so} {reason}"
        return waiting.eventually(found, within_s=within_s, why=why)


@pytest.fixture(scope="session")
def operator_image(cluster: Cluster) -> str:
    """The operator as it is shipped."""
    return cluster.image(recipes.OPERATOR)


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest,
    module_kubectl: Kubectl,
    redis_image: str,
    app_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PoolNamespace]:
    """A Redis that keeps its data, its Secret, and a running operator.

    A module may name the operator's `LOG_FORMAT`.
    """
    folder = tmp_path_factory.mktemp("site")
    broker = _deploy_broker(module_kubectl, redis_image)
    module_kubectl.apply(manifests.build_secret("broker", broker.host_url))
    log_format = getattr(request.module, "LOG_FORMAT", "json")
    operator = _operator(module_kubectl, folder, log_format=log_format)
    operator.start()
    yield PoolNamespace(kubectl=module_kubectl, broker=broker, image=app_image, operator=operator)
    operator.stop()


def _operator(kubectl: Kubectl, folder: Path, *, log_format: str) -> Operator:
    account = operators.grant(kubectl, folder=folder)
    return Operator(
        kubeconfig=account.kubeconfig,
        namespaces=(kubectl.namespace,),
        log_path=folder / "operator.log",
        log_format=log_format,
    )


def _deploy_broker(kubectl: Kubectl, image: str) -> Broker:
    kubectl.apply(*workloads.build_redis("redis", image=image, append_only=True))
    kubectl.roll_out("deployment/redis")
    address = kubectl.get("service/redis")["spec"]["clusterIP"]
    broker = Broker(kubectl=kubectl, name="redis", address=address)
    waiting.eventually(broker.answers, why="the Redis answers")
    return broker
