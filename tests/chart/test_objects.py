"""Every object of every rendering: known to Kubernetes, labelled, and in accord with the others."""

from collections import Counter
from collections.abc import Iterator

import pytest

from app.control.pool import worker_pool as pools
from tests.chart import api_schemas, matrix
from tests.chart.rendering import Manifest, Rendered

EXTERNAL = {
    "broker",
    "database",
    "store",
    "more",
    "shop-broker",
    "flower",
    "extra",
    "shared",
    "1e4",
}
"""Secrets and claims that the cases say are there already."""

LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}

LATER = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
"""Kinds that the oldest Kubernetes lacks, where a guard of the chart refuses them."""


@pytest.fixture(params=matrix.NAMES)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return matrix.CASES[request.param].render()


@pytest.mark.parametrize("version", [api_schemas.OLDEST, api_schemas.NEWEST])
def test_objects_are_what_kubernetes_expects(rendered: Rendered, version: str) -> None:
    later = LATER if version == api_schemas.OLDEST else ()
    own = [
        each
        for each in rendered.objects
        if api_schemas.is_kubernetes_own(each) and each["kind"] not in later
    ]
    faults = [fault for each in own for fault in api_schemas.faults(each, version=version)]
    assert (faults, bool(own)) == ([], True)


def test_worker_pools_are_what_the_operator_expects(rendered: Rendered) -> None:
    specs = [pools.parse_spec(each["spec"]) for each in rendered.of_kind("WorkerPool")]
    targets = {spec.scale_target_ref.name for spec in specs}
    assert targets <= {each["metadata"]["name"] for each in rendered.of_kind("Deployment")}


def test_no_two_objects_share_a_name(rendered: Rendered) -> None:
    names = Counter((each["kind"], each["metadata"]["name"]) for each in rendered.objects)
    assert [name for name, count in names.items() if count > 1] == []


def test_objects_carry_the_common_labels(rendered: Rendered) -> None:
    bare = [each for each in rendered.objects if LABELS - set(each["metadata"]["labels"])]
    assert bare == []


def test_selectors_match_their_pods_and_hold_no_version(rendered: Rendered) -> None:
    owners = rendered.of_kind("Deployment") + rendered.of_kind("StatefulSet")
    wrong = [each["metadata"]["name"] for each in owners if not _selects_own_pods(each)]
    assert wrong == []


def _selects_own_pods(owner: Manifest) -> bool:
    selector = owner["spec"]["selector"]["matchLabels"]
    labels = owner["spec"]["template"]["metadata"]["labels"]
    is_stable = not {"helm.sh/chart", "app.kubernetes.io/version"} & set(selector)
    return is_stable and selector.items() <= labels.items()


def test_services_find_pods_and_their_ports(rendered: Rendered) -> None:
    pods = [pod for _, pod in rendered.pods()]
    lost = [
        each["metadata"]["name"]
        for each in rendered.of_kind("Service")
        if not any(_is_served_by(each, pod) for pod in pods)
    ]
    assert lost == []


def _is_served_by(service: Manifest, pod: Manifest) -> bool:
    ports = {port["name"] for each in pod["spec"]["containers"] for port in each.get("ports", [])}
    wanted = {port["targetPort"] for port in service["spec"]["ports"]}
    selector = service["spec"]["selector"]
    return bool(selector.items() <= pod["metadata"]["labels"].items() and wanted <= ports)


def test_what_pods_refer_to_is_there(rendered: Rendered) -> None:
    made = {
        (each["kind"], each["metadata"]["name"])
        for each in rendered.objects
        if each["kind"] in ("Secret", "ConfigMap", "PersistentVolumeClaim")
    }
    wanted = {reference for _, pod in rendered.pods() for reference in _references(pod["spec"])}
    assert {each for each in wanted - made if each[1] not in EXTERNAL} == set()


def _references(spec: Manifest) -> Iterator[tuple[str, str]]:
    for volume in spec.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        yield from _references_of_environment(container)


def _references_of_environment(container: Manifest) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            yield "ConfigMap", source["configMapRef"]["name"]
        else:
            yield "Secret", source["secretRef"]["name"]
    for variable in container.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference is not None:
            yield "Secret", reference["name"]


def test_policies_select_pods_of_the_release(rendered: Rendered) -> None:
    labels = [pod["metadata"]["labels"] for _, pod in rendered.pods()]
    idle = [
        each["metadata"]["name"]
        for each in rendered.of_kind("NetworkPolicy") + rendered.of_kind("PodDisruptionBudget")
        if not any(_selector(each).items() <= each_labels.items() for each_labels in labels)
    ]
    assert idle == []


def _selector(manifest: Manifest) -> Manifest:
    spec = manifest["spec"]
    selector = spec.get("podSelector") or spec["selector"]
    labels: Manifest = selector["matchLabels"]
    return labels
