"""The scale of a target, from an informer and from our own writes."""

from typing import Any

import pytest

from app.operator.resources import scale, selectors
from app.operator.resources.scale import Scale, ScaleStore, TargetKey

KEY = TargetKey("apps", "Deployment", "shop", "worker")


def deployment(*, replicas: int | None = 3, version: str = "10") -> dict[str, Any]:
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "shop"}}}
    return {
        "metadata": {"namespace": "shop", "name": "worker", "resourceVersion": version},
        "spec": spec if replicas is None else spec | {"replicas": replicas},
    }


def want(replicas: int, *, version: str = "10") -> Scale:
    selector = selectors.parse_selector("app=shop")
    return Scale(replicas=replicas, selector=selector, version=version)


def store() -> ScaleStore:
    return ScaleStore(group="apps", kind="Deployment")


def test_a_workload_without_replicas_has_one() -> None:
    assert scale.of_workload(deployment(replicas=None)) == want(1)


def test_a_scale_at_zero_leaves_its_replicas_out() -> None:
    document = {
        "metadata": {"resourceVersion": "10"},
        "spec": {},
        "status": {"replicas": 0, "selector": "app=shop"},
    }
    assert scale.of_scale(document) == want(0)


@pytest.mark.parametrize(
    ("was", "test"),
    [
        (3, {"op": "test", "path": "/spec/replicas", "value": 3}),
        (0, {"op": "test", "path": "/spec", "value": {}}),
    ],
)
def test_a_patch_holds_only_for_what_was_seen(was: int, test: dict[str, Any]) -> None:
    add = {"op": "add", "path": "/spec/replicas", "value": 5}
    assert scale.scale_patch(was=was, replicas=5) == [test, add]


def test_a_group_is_the_same_in_every_version() -> None:
    assert (scale.group_of("apps/v1"), scale.group_of("v1")) == ("apps", "")


def test_our_write_is_known_before_the_watch_tells_of_it() -> None:
    scales = store()
    scales.put("u", deployment(replicas=3, version="10"))
    scales.written(KEY, want(8, version="12"))
    assert scales.find(KEY) == want(8, version="12")
    scales.put("u", deployment(replicas=3, version="11"))
    assert scales.find(KEY) == want(8, version="12")
    scales.put("u", deployment(replicas=4, version="13"))
    assert scales.find(KEY) == want(4, version="13")


def test_a_target_made_anew_survives_the_end_of_the_old_one() -> None:
    scales = store()
    scales.put("old", deployment(replicas=3, version="10"))
    scales.put("new", deployment(replicas=1, version="20"))
    scales.remove("old")
    assert scales.find(KEY) == want(1, version="20")
    scales.remove("new")
    assert scales.find(KEY) is None


def test_where_ordinals_start_is_remembered_over_our_own_write() -> None:
    document = deployment(replicas=3, version="10")
    document["spec"]["ordinals"] = {"start": 5}
    scales = store()
    scales.put("u", document)
    scales.written(KEY, want(8, version="12"))

    found = scales.find(KEY)

    assert found is not None
    assert (found.replicas, found.first_ordinal) == (8, 5)
