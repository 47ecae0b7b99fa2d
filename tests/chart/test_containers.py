"""What every container must have to be let into a strict cluster, and to be run well there."""

import pytest

from tests.chart import matrix, rendering
from tests.chart.rendering import Manifest, Rendered

OF_SHOPS = {"orders", "mail", *matrix.HOSTILE_QUEUES}
"""Pools whose application is not ours, so that nothing is known of its health."""


@pytest.fixture(params=matrix.NAMES)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return matrix.CASES[request.param].render()


def test_containers_ask_for_and_are_held_to_cpu_and_memory(rendered: Rendered) -> None:
    without = [name for name, each in rendered.containers() if not _is_bounded(each)]
    assert without == []


def _is_bounded(container: Manifest) -> bool:
    resources = container.get("resources", {})
    return all({"cpu", "memory"} <= set(resources.get(k, {})) for k in ("requests", "limits"))


def test_an_upgrade_of_everything_at_once_fits_on_a_node_of_two_processors() -> None:
    """A tenth of which Kubernetes itself takes."""
    rendered = matrix.CASES["defaults"].render()
    workloads = [*rendered.of_kind("Deployment"), *rendered.of_kind("StatefulSet")]
    assert sum(_cpu_in_an_upgrade(each) for each in workloads) <= 1800


def _cpu_in_an_upgrade(workload: Manifest) -> int:
    spec = workload["spec"]
    is_doubled = spec.get("strategy", {}).get("type") == "RollingUpdate"
    container = rendering.main_container(workload)
    asked = _millicores(container["resources"]["requests"]["cpu"])
    replicas: int = spec.get("replicas", 1) + is_doubled
    return asked * replicas


def _millicores(quantity: str) -> int:
    return int(quantity[:-1]) if quantity.endswith("m") else 1000 * int(quantity)


def test_containers_have_no_privileges_and_a_read_only_root(rendered: Rendered) -> None:
    want = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    other = [name for name, each in rendered.containers() if each["securityContext"] != want]
    assert other == []


def test_pods_meet_the_restricted_standard(rendered: Rendered) -> None:
    faults = [name for name, pod in rendered.pods() if not _is_restricted(pod["spec"])]
    assert faults == []


def _is_restricted(spec: Manifest) -> bool:
    context = spec["securityContext"]
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    sources = {key for volume in spec["volumes"] for key in volume if key != "name"}
    shared = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return (
        context["runAsNonRoot"] is True
        and context["seccompProfile"] == {"type": "RuntimeDefault"}
        and context.get("runAsUser") != 0
        and sources <= allowed
        and not shared
    )


def test_python_is_no_first_process_which_would_not_hear_sigterm_while_it_starts(
    rendered: Rendered,
) -> None:
    deaf = [name for name, pod in rendered.pods() if not pod["spec"].get("shareProcessNamespace")]
    assert set(deaf) <= {"StatefulSet celeriac-redis", "StatefulSet celeriac-postgresql"}


def test_long_running_containers_are_probed(rendered: Rendered) -> None:
    bare = [
        f"{name}: {container['name']}"
        for name, pod in rendered.pods()
        for container in pod["spec"]["containers"]
        if pod["spec"].get("restartPolicy") != "Never"
        and not {"livenessProbe", "readinessProbe"} & set(container)
        and pod["metadata"]["labels"].get("celeriac.dev/pool") not in OF_SHOPS
        and pod["metadata"]["labels"]["app.kubernetes.io/component"] != "application-beat"
    ]
    assert bare == []


def test_images_are_pinned_by_tag_or_digest(rendered: Rendered) -> None:
    loose = [
        each["image"]
        for _, each in rendered.containers()
        if each["image"].endswith(":latest") or not {":", "@"} & set(each["image"])
    ]
    assert loose == []


def test_no_environment_variable_is_named_twice(rendered: Rendered) -> None:
    named = {
        name: [variable["name"] for variable in each.get("env", [])]
        for name, each in rendered.containers()
    }
    assert [name for name, names in named.items() if len(set(names)) < len(names)] == []


def test_only_the_operator_and_the_test_have_a_token(rendered: Rendered) -> None:
    with_token = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for _, pod in rendered.pods()
        if pod["spec"]["automountServiceAccountToken"]
    }
    assert with_token <= {"operator", "test"}


def test_additions_reach_every_pod() -> None:
    rendered = matrix.CASES["additions to every pod"].render()
    missing = [name for name, pod in rendered.pods() if not _has_additions(pod)]
    assert missing == []


def test_sidecars_are_beside_all_that_runs_on() -> None:
    rendered = matrix.CASES["additions to every pod"].render()
    job = "Job celeriac-operator-release"  # a sidecar would keep it from ending
    alone = {
        name
        for name, pod in rendered.pods()
        if "proxy" not in [each["name"] for each in pod["spec"]["containers"][1:]]
    }
    assert alone == {job}


def _has_additions(pod: Manifest) -> bool:
    spec, metadata = pod["spec"], pod["metadata"]
    main = spec["containers"][0]
    return (
        metadata["annotations"]["example.com/note"] == "yes"
        and metadata["labels"]["example.com/team"] == "video"
        and metadata["labels"]["example.com/owner"] == "media"
        and {"name": "EXTRA", "value": "1"} in main["env"]
        and {"secretRef": {"name": "extra"}} in main["envFrom"]
        and {"name": "extra", "emptyDir": {}} in spec["volumes"]
        and {"name": "extra", "mountPath": "/extra"} in main["volumeMounts"]
        and spec["nodeSelector"] == {"disk": "fast"}
        and spec["tolerations"] == [{"key": "spot", "operator": "Exists"}]
        and "nodeAffinity" in spec["affinity"]
        and spec["priorityClassName"] == "important"
        and spec["runtimeClassName"] == "sandbox"
        and spec["terminationGracePeriodSeconds"] == 77
    )


def test_the_cluster_may_choose_the_user() -> None:
    rendered = matrix.CASES["every switch off"].render()
    contexts = {tuple(sorted(pod["spec"]["securityContext"])) for _, pod in rendered.pods()}
    assert contexts == {("runAsNonRoot", "seccompProfile")}
