"""One release from its installation to its removal, in order: each test goes on with what the one
before left."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests import waiting
from tests.cluster import workloads
from tests.cluster.chart import load, site
from tests.cluster.chart.conftest import CLAIMS, Release
from tests.cluster.chart.helm import Helm, Values
from tests.cluster.kubectl import Kubectl

SITE = "celeriac-test"
"""As the Service of `helm test` is called: of all private hosts, jobs may fetch from this one."""

KEPT = {
    *(f"persistentvolumeclaim/{claim}" for claim in CLAIMS),
    *("secret/celeriac-redis", "secret/celeriac-postgresql"),
}


@pytest.fixture(scope="module")
def release(restricted: Kubectl, storage: None, image_values: Values) -> Release:
    """Installed, and ready in less than three minutes."""
    helm = Helm(kubectl=restricted)
    helm.install(image_values, within_s=180)
    return Release(helm=helm, values=image_values)


@pytest.fixture
def site_url(release: Release, app_image: str) -> Iterator[str]:
    """A slow site where the release's jobs may fetch from."""
    script = Path(site.__file__).read_text()
    manifests = workloads.build_script(SITE, image=app_image, script=script, port=site.PORT)
    release.kubectl.apply(*manifests)
    release.kubectl.roll_out(f"deployment/{SITE}")
    yield f"http://{SITE}.{release.kubectl.namespace}.svc:{site.PORT}"
    for kind in ("deployment", "service"):
        release.kubectl.delete(f"{kind}/{SITE}")


def ended(release: Release, jobs: Sequence[str]) -> list[load.Ended]:
    """All of these jobs, when they are over."""
    with release.client() as http:
        return [load.await_end(http, job) for job in jobs]


def test_a_release_with_default_values_becomes_ready(release: Release) -> None:
    pods = release.kubectl.items("pods")
    states = [state for pod in pods for state in pod["status"]["containerStatuses"]]
    assert [state["name"] for state in states if state["restartCount"] > 0] == []


def test_helm_test_runs_real_jobs_while_pools_go_up_and_back(release: Release) -> None:
    said = release.helm.test()
    assert "The platform works." in said


@pytest.mark.timeout(600)
def test_an_upgrade_loses_no_job_and_no_request(
    release: Release, site_url: str, next_tag: str
) -> None:
    with load.steady(release.url, site_url=site_url) as sent:
        waiting.eventually(lambda: len(sent.jobs) > 8, why="jobs are submitted")
        image = release.values["image"] | {"tag": next_tag}
        release.helm.upgrade(release.values | {"image": image})
        during = len(sent.jobs)
        waiting.eventually(lambda: len(sent.jobs) > during + 8, why="jobs are submitted")
    found = ended(release, sent.jobs)
    assert sent.failures == []
    assert [job for job in found if not job.is_once] == []
