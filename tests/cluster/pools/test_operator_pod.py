"""The operator as it is shipped: its own image, in a pod, logged in as its service account."""

from tests import waiting
from tests.cluster.pools import manifests, operators
from tests.cluster.pools.conftest import PoolNamespace


def test_the_shipped_image_scales_a_pool(site: PoolNamespace, operator_image: str) -> None:
    site.operator.stop()
    site.kubectl.apply(
        manifests.build_operator(
            operator_image, account=operators.ACCOUNT, namespace=site.kubectl.namespace
        )
    )
    site.kubectl.roll_out("deployment/operator")
    site.deploy_workers("inside")
    site.kubectl.apply(manifests.build_pool("inside", maxReplicas=2))
    with site.history("inside") as history:
        site.broker.send_work([0.1] * 2, queue="inside")
        waiting.eventually(lambda: history.now == 2, why="the operator in the pod scales it")
    [pod] = site.kubectl.items("pods", selector="app=operator")
    [state] = pod["status"]["containerStatuses"]
    assert state["restartCount"] == 0
