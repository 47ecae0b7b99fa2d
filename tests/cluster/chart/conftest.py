"""The images of a release, and a namespace for one that enforces the restricted standard."""

import base64
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from tests.cluster import live, recipes
from tests.cluster.boot import images
from tests.cluster.chart import volumes
from tests.cluster.chart.helm import Helm, Values
from tests.cluster.kubectl import Kubectl
from tests.cluster.live import Cluster

CLAIMS = ("celeriac-files", "celeriac-postgresql", "celeriac-redis")
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An installed release of the chart's name. `values` are the names of images, and no more."""

    helm: Helm
    values: Values

    @property
    def kubectl(self) -> Kubectl:
        return self.helm.kubectl

    @property
    def url(self) -> str:
        """The API's Service, as this process reaches it."""
        return f"http://{self.kubectl.get('service/celeriac-api')['spec']['clusterIP']}:8000"

    def client(self, key: str | None = None) -> httpx2.Client:
        """A client with this API key; by default with the first one."""
        headers = {"Authorization": f"Bearer {key or self.api_key('admin-key')}"}
        return httpx2.Client(base_url=self.url, timeout=90, headers=headers)

    def api_key(self, name: str) -> str:
        """A key that the chart made."""
        found: str = self.kubectl.get("secret/celeriac-api")["data"][name]
        return base64.b64decode(found).decode()

    def metrics(self, target: str) -> str:
        """What Prometheus would read from `services/NAME:PORT`, through the API server."""
        path = f"/api/v1/namespaces/{self.kubectl.namespace}/{target}/proxy/metrics"
        return self.kubectl.run("get", f"--raw={path}")


@pytest.fixture(scope="session")
def platform_image(cluster: Cluster) -> str:
    """The image of all roles, as it is shipped."""
    return cluster.image(recipes.PLATFORM)


@pytest.fixture(scope="session")
def operator_image(cluster: Cluster) -> str:
    """The operator's image, as it is shipped."""
    return cluster.image(recipes.OPERATOR)


@pytest.fixture(scope="session")
def image_values(cluster: Cluster, platform_image: str, redis_image: str) -> Values:
    """The values that name the images."""
    postgresql_image = cluster.image(recipes.TEST_POSTGRESQL)
    return {
        "image": build_image(platform_image),
        "redis": {"image": build_image(redis_image)},
        "postgresql": {"image": build_image(postgresql_image)},
    }


@pytest.fixture(scope="session")
def next_tag(cluster: Cluster, platform_image: str) -> str:
    """Another tag of the platform's image."""
    if cluster.layout is None:
        live.refuse("only the tests' own node can be given an image under another tag")
    tag = f"next-{uuid.uuid4().hex[:8]}"
    images.tag(cluster.layout, platform_image, tag)
    return tag


@pytest.fixture(scope="module")
def restricted(module_kubectl: Kubectl) -> Kubectl:
    """kubectl in a fresh namespace that enforces the restricted Pod Security Standard."""
    label = "pod-security.kubernetes.io/enforce=restricted"
    module_kubectl.run("label", "namespace", module_kubectl.namespace, label)
    return module_kubectl


@pytest.fixture(scope="module")
def storage(cluster: Cluster, restricted: Kubectl) -> Iterator[None]:
    """Whatever makes the release's claims bound: the cluster's default class, or folders."""
    classes = restricted.items("storageclasses")
    if any(each["metadata"].get("annotations", {}).get(DEFAULT_CLASS) for each in classes):
        yield
        return
    if cluster.layout is None:
        live.refuse("this cluster has no default StorageClass")
    with volumes.prepared(restricted, cluster.layout.state / "volumes", claims=CLAIMS):
        yield


def build_image(reference: str) -> dict[str, str]:
    """The chart's way to name an image."""
    name, _, tag = reference.rpartition(":")
    return {"repository": name, "tag": tag}
