"""`helm test`: what its pod is given, and that all of it comes and goes with the test."""

import ast
import sys

from app.pipelines import registry
from tests.chart import rendering
from tests.chart.rendering import Manifest, Rendered

SCRIPT = rendering.CHART / "files/acceptance.py"


def of_the_test(rendered: Rendered) -> list[Manifest]:
    return [
        each
        for each in rendered.objects
        if each["metadata"]["labels"]["app.kubernetes.io/component"] == "test"
    ]


def variables(rendered: Rendered) -> dict[str, str]:
    container = rendered.get("Pod", "celeriac-test")["spec"]["containers"][0]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def test_everything_of_the_test_comes_and_goes_with_it() -> None:
    found = of_the_test(rendering.render())
    annotations = [each["metadata"]["annotations"] for each in found]
    hooks = {each["helm.sh/hook"] for each in annotations}
    policies = {each["helm.sh/hook-delete-policy"] for each in annotations}
    assert (hooks, policies) == ({"test"}, {"before-hook-creation,hook-succeeded"})
    assert {each["kind"] for each in found} == {
        *("Pod", "Service", "ConfigMap", "NetworkPolicy"),
        *("ServiceAccount", "Role", "RoleBinding"),
    }


def test_the_pod_comes_last() -> None:
    weights = {
        each["kind"]: int(each["metadata"]["annotations"]["helm.sh/hook-weight"])
        for each in of_the_test(rendering.render())
    }
    pod = weights.pop("Pod")
    assert pod > max(weights.values())


def test_the_pod_runs_the_script_of_the_chart() -> None:
    rendered = rendering.render()
    data = rendered.get("ConfigMap", "celeriac-test")["data"]
    assert data["acceptance.py"].strip() == SCRIPT.read_text().strip()


def test_the_script_needs_nothing_but_the_standard_library() -> None:
    imports = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(SCRIPT.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imports - sys.stdlib_module_names == set()


def test_the_pools_of_both_jobs_are_watched() -> None:
    stages = [
        stage
        for kind in ("media", "document")
        for stage in registry.discover()[kind].stages
        if stage.queue != "cleanup"
    ]
    given = variables(rendering.render())
    assert set(given["POOLS"].split(",")) == {f"celeriac-{stage.queue}" for stage in stages}
    assert given["FLOORS"] == "0,0,0"


def test_floors_are_those_of_the_pools() -> None:
    values = {"pipelines": {"pools": {"documents": {"minReplicas": 2}}}}
    given = variables(rendering.render(values))
    watched = dict(zip(given["POOLS"].split(","), given["FLOORS"].split(","), strict=True))
    assert watched["celeriac-documents"] == "2"


def test_no_pool_is_watched_where_another_one_sizes_them() -> None:
    given = variables(rendering.render({"autoscaling": {"provider": "none"}}))
    assert (given["POOLS"], given["FLOORS"]) == ("", "")


def test_jobs_may_fetch_from_the_test_s_pod_beside_the_hosts_of_the_user() -> None:
    values = {"settings": {"CELERIAC_ALLOWED_HOSTS": "media.internal"}}
    rendered = rendering.render(values)
    hosts = rendered.get("ConfigMap", "celeriac-settings")["data"]["CELERIAC_ALLOWED_HOSTS"]
    site = variables(rendered)["SITE_URL"]
    assert hosts.split(",") == ["media.internal", "celeriac-test.work.svc"]
    assert site == f"http://{hosts.split(',')[1]}:8080"


def test_nothing_is_allowed_where_there_is_no_test() -> None:
    rendered = rendering.render({"tests": {"enabled": False}})
    settings = rendered.get("ConfigMap", "celeriac-settings")["data"]
    assert ("CELERIAC_ALLOWED_HOSTS" in settings, of_the_test(rendered)) == (False, [])
