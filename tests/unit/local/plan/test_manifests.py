"""Manifests of local pools are held to what an API server accepts; a fault is one sentence."""

from pathlib import Path

import pytest

from app.errors import InvalidInput
from app.local.options import UpOptions
from app.local.plan import manifests, run_plan
from app.operator import crd

MANIFEST = """
apiVersion: celeriac.dev/v1alpha1
kind: WorkerPool
metadata: {name: NAME}
spec:
  scaleTargetRef: {name: x}
  queues: [a, b]
  maxReplicas: 3
"""


def manifest(name: str = "orders", *, annotations: str = "", spec: str = "") -> str:
    metadata = f"{{name: {name}, annotations: {{{annotations}}}}}"
    return MANIFEST.replace("{name: NAME}", metadata) + "".join(f"  {line}\n" for line in [spec])


def written(folder: Path, text: str) -> Path:
    path = folder / "pools.yaml"
    path.write_text(text)
    return path


def test_manifests_are_read(tmp_path: Path) -> None:
    second = manifest("second", annotations="celeriac.dev/celery-pool: threads")
    path = written(tmp_path, f"{manifest('first')}---\n{second}---\n")

    first, other = manifests.load(path).pools

    assert (first.name, first.celery_pool, first.pool.spec.max_replicas) == ("first", None, 3)
    assert (other.name, other.celery_pool, other.pool.spec.queues) == (
        "second",
        "threads",
        ("a", "b"),
    )


def test_objects_of_other_kinds_are_left_out_and_named(tmp_path: Path) -> None:
    others = "kind: Deployment\n---\nkind: Secret\n---\nkind: Deployment\n"
    found = manifests.load(written(tmp_path, f"{others}---\n{manifest()}"))

    assert [pool.name for pool in found.pools] == ["orders"]
    assert found.left_out == ("2 Deployment", "1 Secret")


def test_a_list_as_kubectl_prints_it_is_taken_apart(tmp_path: Path) -> None:
    item = manifest().strip().replace("\n", "\n  ")
    found = manifests.load(written(tmp_path, f"kind: List\nitems:\n- {item}\n"))

    assert [pool.name for pool in found.pools] == ["orders"]


def test_null_stands_for_the_default_as_on_an_api_server(tmp_path: Path) -> None:
    (pool,) = manifests.load(written(tmp_path, manifest(spec="minReplicas: null"))).pools

    assert pool.pool.spec.min_replicas == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "holds no WorkerPool$", id="an empty file"),
        pytest.param("a: [", "is not valid YAML: ", id="no YAML"),
        pytest.param("kind: Service", "holds no WorkerPool, only 1 Service$", id="another kind"),
        pytest.param("just text", "without a kind", id="no object"),
        pytest.param("kind: WorkerPool", "no metadata.name", id="no name"),
        pytest.param(manifest("'../../evil'"), "is not a DNS subdomain", id="a path for a name"),
        pytest.param(manifest("Orders"), "is not a DNS subdomain", id="capitals in a name"),
        pytest.param(manifest("off"), "metadata.name False is not a string", id="YAML's off"),
        pytest.param(manifest("x" * 254), "is not a DNS subdomain", id="an endless name"),
        pytest.param(
            manifest(annotations="celeriac.dev/paused-replicas: 3"),
            "annotation celeriac.dev/paused-replicas: 3 is not a string: put it in quotes",
            id="a number in an annotation",
        ),
        pytest.param(
            manifest(annotations="celeriac.dev/paused: true"),
            "annotation celeriac.dev/paused: true is not a string",
            id="a boolean in an annotation",
        ),
        pytest.param(
            manifest().replace("celeriac.dev/v1alpha1", "keda.sh/v1"),
            "the apiVersion 'keda.sh/v1', not celeriac.dev/v1alpha1",
            id="a foreign apiVersion",
        ),
        pytest.param(
            manifest().replace("apiVersion: celeriac.dev/v1alpha1\n", ""),
            "the apiVersion None, not",
            id="no apiVersion",
        ),
        pytest.param(
            manifest().replace("maxReplicas: 3", "maxReplica: 3"), "spec.maxReplica", id="a typo"
        ),
        pytest.param(
            manifest().replace("maxReplicas: 3", "maxReplicas: '3'"),
            "spec.maxReplicas: ",
            id="text for a number",
        ),
        pytest.param(
            manifest().replace("maxReplicas: 3", "maxReplicas: true"),
            "spec.maxReplicas: ",
            id="a boolean for a number",
        ),
        pytest.param(
            manifest(spec="concurrency: 2026-01-01"), "a value that JSON does not have", id="a date"
        ),
        pytest.param(
            manifest(annotations="celeriac.dev/celery-pool: y"),
            "celery-pool is 'y', which is neither",
            id="a pool that Celery does not have",
        ),
    ],
)
def test_a_wrong_manifest_is_one_sentence(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as refusal:
        manifests.load(written(tmp_path, text))

    assert "\n" not in str(refusal.value)


BROKEN_RULES = {
    "minReplicas must not be above maxReplicas": "minReplicas: 4",
    "a schedule's minReplicas must not be above its maxReplicas (the pool's, if it has none of its "
    "own)": "schedules: [{name: day, start: 0 8 * * *, end: 0 9 * * *, minReplicas: 4}]",
    "set exactly one of queueWaitSeconds and backlogPerReplica": "target: {}",
    "a schedule sets minReplicas, maxReplicas or both": (
        "schedules: [{name: day, start: 0 8 * * *, end: 0 9 * * *}]"
    ),
    "this fallback.behavior needs fallback.replicas": "fallback: {behavior: static}",
}
"""A manifest that breaks it, by the message of each CEL rule of the definition."""


def test_every_rule_of_the_definition_has_a_manifest_that_breaks_it() -> None:
    messages = {message for rules in crd.RULES.values() for _, message in rules}

    assert set(BROKEN_RULES) == messages


@pytest.mark.parametrize("line", BROKEN_RULES.values(), ids=BROKEN_RULES)
def test_a_rule_of_the_definition_is_in_force_without_an_api_server(
    tmp_path: Path, line: str
) -> None:
    with pytest.raises(InvalidInput, match=r"WorkerPool orders: spec"):
        manifests.load(written(tmp_path, manifest(spec=line)))


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["no file", "no text"])
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "pools.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InvalidInput, match=r"cannot read the pools of .*pools.yaml"):
        manifests.load(path)


@pytest.mark.parametrize(
    ("cooldown_s", "manifest_says", "want"),
    [
        pytest.param(None, "cooldownPeriodSeconds: 45", (45, None), id="the manifest's own"),
        pytest.param(2.0, "cooldownPeriodSeconds: 45", (2, 2), id="the option's"),
        pytest.param(
            2.0,
            "behavior: {scaleDown: {stabilizationWindowSeconds: 7}}",
            (2, 7),
            id="a stabilization window that is given stays",
        ),
    ],
)
def test_the_cooldown_of_the_command_line_is_in_force_for_manifests_too(
    tmp_path: Path, cooldown_s: float | None, manifest_says: str, want: tuple[int, int | None]
) -> None:
    path = written(tmp_path, manifest(spec=manifest_says))
    options = UpOptions(celery_app="shop", pool_files=(path,), cooldown_s=cooldown_s)

    found, _ = run_plan.chosen_pools(options)

    assert found is not None
    spec = found[0].pool.spec
    window_s = spec.behavior.scale_down.stabilization_window_seconds
    assert (spec.cooldown_period_seconds, window_s) == want
