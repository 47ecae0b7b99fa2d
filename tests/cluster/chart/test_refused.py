"""Values that cannot work: helm says so in one sentence, and nothing is installed."""

import pytest

from tests.cluster.chart import objects
from tests.cluster.chart.helm import Helm, HelmRefused, Values
from tests.cluster.kubectl import Kubectl

CASES: dict[str, tuple[Values, str]] = {
    "an unknown key": (
        {"api": {"replica": 3}},
        "at '/api': additional properties 'replica' not allowed",
    ),
    "a wrong type": ({"api": {"replicas": "two"}}, "at '/api/replicas': got string, want integer"),
    "bounds the wrong way round": (
        {"pipelines": {"pools": {"pdf": {"minReplicas": 20}}}},
        "pool pdf: minReplicas (20) must not be above maxReplicas (10)",
    ),
    "KEDA that is not there": (
        {"autoscaling": {"provider": "keda"}},
        "autoscaling.provider is keda, and this cluster has no ScaledObject of keda.sh/v1alpha1: "
        "install KEDA first",
    ),
    "no Secret of an external Redis": (
        {"redis": {"enabled": False}},
        "redis.enabled is false, so name the Secret that holds your broker's URL in "
        "broker.existingSecret",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_values_install_nothing(restricted: Kubectl, name: str) -> None:
    helm = Helm(kubectl=restricted)
    values, want = CASES[name]
    with pytest.raises(HelmRefused) as refused:
        helm.install(values)
    said = str(refused.value).partition("\nNAME ")[0].splitlines()
    assert [line for line in said if line.endswith(want)] != [], said
    assert (helm.releases(), objects.found(restricted)) == ([], set())
