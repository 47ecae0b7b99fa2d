"""What helm makes of the chart and some values."""

import functools
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.tools import kubernetes_clients

CHART = Path(__file__).parents[2] / "charts/celeriac"
RELEASE = "celeriac"
NAMESPACE = "work"

Manifest = dict[str, Any]
"""A Kubernetes object, as read from YAML."""

Values = Mapping[str, Any]

KEDA = "keda.sh/v1alpha1/ScaledObject"
GATEWAY = "gateway.networking.k8s.io/v1/HTTPRoute"
MONITORING = tuple(
    f"monitoring.coreos.com/v1/{kind}"
    for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule")
)

_POD_TEMPLATES = ("Deployment", "StatefulSet", "Job")


class ChartRefused(Exception):
    """helm would not render; the message is what its user reads."""


@dataclass(frozen=True)
class Rendered:
    """The objects of one rendering."""

    text: str

    @functools.cached_property
    def objects(self) -> tuple[Manifest, ...]:
        documents = yaml.load_all(self.text, Loader=yaml.CSafeLoader)
        return tuple(each for each in documents if each)

    def kinds(self) -> set[str]:
        return {each["kind"] for each in self.objects}

    def of_kind(self, kind: str) -> list[Manifest]:
        return [each for each in self.objects if each["kind"] == kind]

    def get(self, kind: str, name: str) -> Manifest:
        """The only object of that kind and name."""
        (found,) = (each for each in self.of_kind(kind) if each["metadata"]["name"] == name)
        return found

    def pods(self) -> Iterator[tuple[str, Manifest]]:
        """Every pod, or template of pods, with a name that says where it stands."""
        for each in self.objects:
            name = f"{each['kind']} {each['metadata']['name']}"
            if each["kind"] in _POD_TEMPLATES:
                yield name, each["spec"]["template"]
            elif each["kind"] == "Pod":
                yield name, each

    def containers(self) -> Iterator[tuple[str, Manifest]]:
        """Every container, init containers included, with a name that says where it stands."""
        for name, pod in self.pods():
            for key in ("initContainers", "containers"):
                for container in pod["spec"].get(key, []):
                    yield f"{name}: {container['name']}", container


def render(
    values: Values | None = None, *, release: str = RELEASE, apis: Sequence[str] = ()
) -> Rendered:
    """Render the chart. Raises ChartRefused."""
    return _render(
        json.dumps(values or {}, sort_keys=True, ensure_ascii=False), release, tuple(apis)
    )


def secret_files(pod: Manifest) -> dict[str, tuple[str, str]]:
    """The settings that a pod has as files, each with the name and the key of its Secret."""
    sources = [
        source["secret"]
        for volume in pod["spec"].get("volumes", ())
        if volume["name"] == "secrets"
        for source in volume["projected"]["sources"]
    ]
    return {
        item["path"]: (source["name"], item["key"])
        for source in sources
        for item in source["items"]
    }


def pod_of(manifest: Manifest) -> Manifest:
    """The pod spec of a Deployment or StatefulSet."""
    spec: Manifest = manifest["spec"]["template"]["spec"]
    return spec


def main_container(manifest: Manifest) -> Manifest:
    """The first container of a Deployment or StatefulSet."""
    container: Manifest = pod_of(manifest)["containers"][0]
    return container


@functools.lru_cache(maxsize=256)
def _render(values: str, release: str, apis: tuple[str, ...]) -> Rendered:
    rendered = helm(
        *("template", release, str(CHART), "--namespace", NAMESPACE, "--values", "-"),
        *(f"--api-versions={api}" for api in apis),
        given=values,
    )
    return Rendered(rendered)


def helm(*arguments: str, given: str = "") -> str:
    """What helm prints. Raises ChartRefused with what it says on standard error."""
    command = [str(kubernetes_clients.path("helm")), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise ChartRefused(re.sub(r"^Error: ", "", done.stderr.strip()))
    return done.stdout
