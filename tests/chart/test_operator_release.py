"""The hook that wakes what drains before the operator is uninstalled."""

from tests.chart import matrix, rendering

NAME = "celeriac-operator-release"


def test_it_runs_before_a_release_is_deleted_and_leaves_nothing() -> None:
    job = rendering.render().get("Job", NAME)
    annotations = job["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-delete"
    assert "hook-succeeded" in annotations["helm.sh/hook-delete-policy"]
    assert "annotations" not in job["spec"]["template"]["metadata"]


def test_it_has_the_rights_and_the_reach_of_the_operator() -> None:
    rendered = rendering.render()
    pod = rendered.get("Job", NAME)["spec"]["template"]
    operator = rendered.get("Deployment", "celeriac-operator")["spec"]["template"]
    assert pod["spec"]["serviceAccountName"] == operator["spec"]["serviceAccountName"]
    assert pod["metadata"]["labels"] == operator["metadata"]["labels"]
    [container] = pod["spec"]["containers"]
    assert container["args"] == ["--namespace=work"]


def test_an_operator_of_the_whole_cluster_releases_all_of_it() -> None:
    rendered = matrix.CASES["an operator of the whole cluster and nothing else"].render()
    [container] = rendered.get("Job", NAME)["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["--all-namespaces"]


def test_it_can_be_left_out() -> None:
    rendered = rendering.render({"operator": {"releaseOnUninstall": False}})
    assert NAME not in [each["metadata"]["name"] for each in rendered.objects]
