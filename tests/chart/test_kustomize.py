"""k8s/: what kubectl and GitOps take as is."""

import subprocess
from pathlib import Path

import pytest
import yaml

from app.control.pool import worker_pool as pools
from tests.chart import api_schemas, rendering
from tests.chart.rendering import Manifest, Values
from tests.tools import kubernetes_clients

K8S = Path(__file__).parents[2] / "k8s"
OVERLAYS = ["overlays/dev", "overlays/prod"]


def build(folder: str) -> list[Manifest]:
    command = [str(kubernetes_clients.path("kubectl")), "kustomize", str(K8S / folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [each for each in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if each]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = (e for e in manifests if (e["kind"], e["metadata"]["name"]) == (kind, name))
    return found


def documents(path: str) -> list[Manifest]:
    return list(yaml.safe_load_all((K8S / path).read_text()))


@pytest.mark.parametrize("folder", ["base", *OVERLAYS])
def test_objects_are_what_kubernetes_and_the_operator_expect(folder: str) -> None:
    built = build(folder)
    own = [each for each in built if api_schemas.is_kubernetes_own(each)]
    faults = [f for each in own for f in api_schemas.faults(each, version=api_schemas.NEWEST)]
    specs = [pools.parse_spec(each["spec"]) for each in built if each["kind"] == "WorkerPool"]
    assert (faults, len(specs) > 0) == ([], True)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_an_overlay_is_in_one_namespace_that_enforces_the_restricted_standard(folder: str) -> None:
    built = build(folder)
    (namespace,) = (each for each in built if each["kind"] == "Namespace")
    name = namespace["metadata"]["name"]
    others = [each for each in built if each["kind"] != "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each["metadata"]["namespace"] for each in others} == {name}
    binding = named(built, "RoleBinding", "celeriac-operator")
    assert [subject["namespace"] for subject in binding["subjects"]] == [name]


def test_no_manifest_holds_a_secret() -> None:
    kinds = {each["kind"] for folder in ("base", *OVERLAYS) for each in build(folder)}
    assert "Secret" not in kinds


def test_production_uses_many_nodes() -> None:
    built = build("overlays/prod")
    api = named(built, "Deployment", "celeriac-api")
    claim = named(built, "PersistentVolumeClaim", "celeriac-files")
    workers = [each for each in built if each["metadata"]["name"].startswith("celeriac-worker-")]
    pods = [rendering.pod_of(each) for each in [api, *workers] if each["kind"] == "Deployment"]
    assert api["spec"]["replicas"] == 3
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert [pod for pod in pods if "affinity" in pod] == []


def test_workers_name_no_number_of_replicas() -> None:
    workers = [
        each
        for each in build("overlays/dev")
        if each["kind"] == "Deployment" and "celeriac-worker-" in each["metadata"]["name"]
    ]
    assert [each for each in workers if "replicas" in each["spec"]] == []
    assert len(workers) > 0


@pytest.mark.parametrize(
    ("path", "kind", "field"),
    [
        pytest.param("gitops/argocd/application.yaml", "Application", "source", id="Argo CD"),
        pytest.param("gitops/flux/release.yaml", "HelmRelease", "values", id="Flux"),
    ],
)
def test_values_in_gitops_examples_are_accepted_by_the_chart(
    path: str, kind: str, field: str
) -> None:
    (manifest,) = (each for each in documents(path) if each["kind"] == kind)
    inner = manifest["spec"][field]
    values: Values = inner["helm"]["valuesObject"] if kind == "Application" else inner
    names = {each["metadata"]["name"] for each in rendering.render(values).of_kind("Deployment")}
    assert {"celeriac-api", "celeriac-operator"} <= names


def test_argo_cd_never_makes_passwords_anew() -> None:
    (manifest,) = documents("gitops/argocd/application.yaml")
    values = manifest["spec"]["source"]["helm"]["valuesObject"]
    assert rendering.render(values).of_kind("Secret") == []


@pytest.mark.parametrize("path", sorted(p.name for p in (K8S / "examples").glob("*.yaml")))
def test_pools_of_examples_are_what_the_operator_expects(path: str) -> None:
    found = [each for each in documents(f"examples/{path}") if each["kind"] == "WorkerPool"]
    assert [pools.parse_spec(each["spec"]).queues for each in found] != []
