"""Image, compose file, skaffold and workflows: what builds and runs the platform elsewhere."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import queues
from tests.chart import rendering
from tests.chart.rendering import Manifest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: Manifest = yaml.safe_load((ROOT / "compose.yaml").read_text())
PROJECT: Manifest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))

IMAGE_EXTRAS = ["platform", "pipelines", "operator", "flower"]


def pins(path: str) -> dict[str, str]:
    """Versions by package of a lock."""
    text = (ROOT / path).read_text()
    return dict(re.findall(r"^([a-z0-9][\w.-]*)(?:\[[^]]*\])?==(\S+)", text, flags=re.MULTILINE))


def required(extras: list[str]) -> set[str]:
    """Packages that the project asks for by itself, with these extras."""
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][e] for e in extras)]
    return {re.split(r"[\[<>=~;]", each)[0].strip().lower() for some in lists for each in some}


@pytest.mark.parametrize(
    ("path", "extras"),
    [("requirements/image.lock", IMAGE_EXTRAS), ("requirements/operator.lock", ["operator"])],
)
def test_images_hold_what_their_roles_ask_for_at_the_locked_versions(
    path: str, extras: list[str]
) -> None:
    locked, all_locked = pins(path), pins("requirements.lock")
    assert required(extras) - set(locked) == set()
    assert {name: all_locked.get(name) for name in locked} == locked


def test_the_operator_s_image_has_no_pipelines() -> None:
    heavy = required(["pipelines", "platform"]) - required(["operator"])
    assert heavy & set(pins("requirements/operator.lock")) == set()


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.lock")))
def test_every_package_of_an_image_has_hashes(path: Path) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", path.read_text())
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_every_stage_is_built_on_the_base_image_or_another_stage() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, flags=re.MULTILINE)
    names = {name for _, name in stages}
    assert {base for base, _ in stages} - names == {"${BASE_IMAGE}"}
    assert [name for _, name in stages][-1] == "platform"


def test_the_image_runs_as_a_user_by_number_that_the_chart_names_too() -> None:
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, flags=re.MULTILINE)
    pod = rendering.pod_of(rendering.render().get("Deployment", "celeriac-api"))
    context = pod["securityContext"]
    assert users == [(str(context["runAsUser"]), str(context["runAsGroup"]))]


def test_the_build_context_holds_only_what_is_copied() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, flags=re.MULTILINE)
    tops = {source.split("/")[0] for sources in copied for source in sources.split()}
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in lines if line.startswith("!")} == tops


def test_compose_runs_a_worker_for_each_queue() -> None:
    served = {
        service["command"][-1].removeprefix("--queue=")
        for name, service in COMPOSE["services"].items()
        if name.startswith("worker-")
    }
    assert served == {queue.name for queue in queues.QUEUES}


def test_compose_publishes_on_the_loopback_address_alone() -> None:
    ports = [port for each in COMPOSE["services"].values() for port in each.get("ports", [])]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert len(ports) > 0


def test_compose_restarts_and_watches_what_runs_for_ever() -> None:
    lasting = {name: s for name, s in COMPOSE["services"].items() if name != "migrate"}
    careless = [name for name, s in lasting.items() if s["restart"] != "unless-stopped"]
    unwatched = {name for name, s in lasting.items() if "healthcheck" not in s}
    assert (careless, unwatched) == ([], {"flower"})


def test_compose_and_chart_use_the_same_images_for_data() -> None:
    rendered = rendering.render()
    used = {
        name: rendering.main_container(rendered.get("StatefulSet", f"celeriac-{name}"))["image"]
        for name in ("redis", "postgresql")
    }
    assert {name: COMPOSE["services"][name]["image"] for name in used} == used


def test_compose_workers_may_finish_their_longest_task() -> None:
    longest_s = max(queue.hard_limit_s for queue in queues.QUEUES)
    periods = {s["stop_grace_period"] for n, s in COMPOSE["services"].items() if "worker-" in n}
    assert {int(period.removesuffix("m")) * 60 > longest_s for period in periods} == {True}


def test_skaffold_builds_what_the_dockerfile_has_and_fills_values_of_the_chart() -> None:
    skaffold = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, flags=re.MULTILINE))
    assert {each["docker"]["target"] for each in skaffold["build"]["artifacts"]} <= stages
    (release,) = skaffold["deploy"]["helm"]["releases"]
    values = yaml.safe_load((ROOT / release["valuesFiles"][0]).read_text())
    for path in release["setValueTemplates"]:
        values = _with(values, path.split("."), "x")
    assert rendering.render(values).get("Deployment", "celeriac-api")["spec"]["replicas"] == 1


def _with(values: Manifest, path: list[str], value: str) -> Manifest:
    first, *rest = path
    return {**values, first: _with(values.get(first, {}), rest, value) if rest else value}


def steps(path: Path) -> list[Manifest]:
    workflow = yaml.safe_load(path.read_text())
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_every_action_and_ask_for_few_rights(path: Path) -> None:
    loose = [
        step["uses"]
        for step in steps(path)
        if "uses" in step and not re.search(r"@[0-9a-f]{40}$", step["uses"])
    ]
    workflow: Any = yaml.safe_load(path.read_text())
    assert (loose, workflow["permissions"]) == ([], {"contents": "read"})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_scripts_that_a_shell_understands(path: Path) -> None:
    for step in steps(path):
        script = step.get("run", "")
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_put_no_outside_text_into_scripts(path: Path) -> None:
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []
