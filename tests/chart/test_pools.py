"""The worker pools of the chart: those of the code, their commands, and what sizes them."""

import json
import re
from typing import Any

import pytest

from app import queues
from app.queues import Queue
from tests.chart import api_schemas, matrix, rendering
from tests.chart.rendering import ChartRefused, Manifest, Rendered, Values
from tests.letters import LETTERS

KOMBU_SEPARATOR = "\x06\x16"
"""Between a queue's name and its priority step, in the key of a Redis list (kombu's `sep`)."""


def worker(pool: str, values: Values | None = None, **options: Any) -> Manifest:
    rendered = rendering.render(values, **options)
    return rendered.get("Deployment", f"celeriac-worker-{pool}")


def given(arguments: list[str], option: str) -> list[str]:
    """Values of an option, as the process finds them when Kubernetes has replaced variables."""
    prefix = f"--{option}="
    found = [each.removeprefix(prefix) for each in arguments if each.startswith(prefix)]
    assert not any(re.search(r"(?<!\$)\$\(", each) for each in found)
    return [each.replace("$$(", "$(") for each in found]


@pytest.mark.parametrize("provider", ["operator", "keda", "hpa", "none"])
def test_workers_consume_the_queues_that_were_named(provider: str) -> None:
    rendered = matrix.CASES[f"hostile names, sized by {provider}"].render()
    found = {
        each["metadata"]["labels"]["celeriac.dev/pool"]: given(
            rendering.main_container(each)["args"], "queues"
        )
        for each in rendered.of_kind("Deployment")
        if each["metadata"]["labels"]["app.kubernetes.io/component"] == "worker"
    }
    assert found == {name: [",".join(queues)] for name, queues in QUEUES_BY_POOL.items()}


QUEUES_BY_POOL = {name: queues or [name] for name, queues in matrix.HOSTILE_QUEUES.items()}


def test_workers_of_our_own_consume_the_queues_that_were_named() -> None:
    queues = [queue for named in matrix.HOSTILE_QUEUES.values() for queue in named]
    deployment = worker("more", own_pool(queues=queues))
    assert given(rendering.main_container(deployment)["args"], "queue") == queues


def test_pools_are_sized_by_the_queues_that_were_named() -> None:
    operated, keda, hpa = (
        matrix.CASES[f"hostile names, sized by {provider}"].render()
        for provider in ("operator", "keda", "hpa")
    )
    assert {
        each["metadata"]["labels"]["celeriac.dev/pool"]: each["spec"]["queues"]
        for each in operated.of_kind("WorkerPool")
    } == QUEUES_BY_POOL
    assert {
        each["metadata"]["labels"]["celeriac.dev/pool"]: list(
            dict.fromkeys(
                trigger["metadata"]["listName"].partition(KOMBU_SEPARATOR)[0]
                for trigger in each["spec"]["triggers"]
            )
        )
        for each in keda.of_kind("ScaledObject")
    } == QUEUES_BY_POOL
    assert {
        each["metadata"]["labels"]["celeriac.dev/pool"]: each["spec"]["metrics"][0]["external"][
            "metric"
        ]["selector"]["matchExpressions"][0]["values"]
        for each in hpa.of_kind("HorizontalPodAutoscaler")
        if each["metadata"]["labels"].get("celeriac.dev/pool")
    } == QUEUES_BY_POOL


def test_the_exporter_knows_the_queues_and_the_prefix_that_were_named() -> None:
    rendered = matrix.CASES["hostile names, sized by operator"].render()
    arguments = rendering.main_container(rendered.get("Deployment", "1e3-exporter"))["args"]
    assert sorted(given(arguments, "queue")) == sorted(
        queue for queues in QUEUES_BY_POOL.values() for queue in queues
    )
    assert given(arguments, "key-prefix") == ["a: b #"]


def test_a_release_and_a_namespace_may_be_called_like_numbers() -> None:
    text = rendering.helm("template", "1e3", str(rendering.CHART), "--namespace", "0x10")
    objects = [each for each in Rendered(text).objects if api_schemas.is_kubernetes_own(each)]
    version = api_schemas.NEWEST
    assert [fault for each in objects for fault in api_schemas.faults(each, version=version)] == []


def own_pool(**settings: Any) -> Values:
    """Values with one more pool, called `more`, of Celeriac's own application."""
    return {"workers": {"pools": {"more": settings}}}


def test_pools_are_the_queues_of_the_code() -> None:
    rendered = rendering.render()
    pools = {
        queue: each["spec"] for each in rendered.of_kind("WorkerPool") for queue in _queues(each)
    }
    have = {name: _as_queue(name, spec, worker(name)) for name, spec in pools.items()}
    assert have == {queue.name: _essentials(queue) for queue in queues.QUEUES}


def test_a_queue_that_a_pipeline_brings_has_the_pool_of_its_values() -> None:
    values = {"pipelines": {"pools": {"letters": LETTERS.pool_values()}}}
    spec = rendering.render(values).get("WorkerPool", "celeriac-letters")["spec"]
    assert _as_queue("letters", spec, worker("letters", values)) == _essentials(LETTERS)


def _queues(pool: Manifest) -> list[str]:
    names: list[str] = pool["spec"]["queues"]
    return names


def _as_queue(name: str, spec: Manifest, deployment: Manifest) -> Manifest:
    arguments = dict(
        argument.removeprefix("--").split("=", 1)
        for argument in rendering.main_container(deployment)["args"]
    )
    limits = (arguments.get("soft-time-limit"), arguments.get("time-limit"))
    return {
        "name": arguments["queue"],
        "pool": arguments["pool"],
        "concurrency": (int(arguments["concurrency"]), spec["concurrency"]),
        "limits": limits,
        "grace": rendering.pod_of(deployment)["terminationGracePeriodSeconds"],
        "replicas": (spec["minReplicas"], spec["maxReplicas"]),
        "wait": float(spec["target"]["queueWaitSeconds"]),
    }


def _essentials(queue: Queue) -> Manifest:
    is_held_by_celery = queue.pool is queues.PoolKind.PREFORK
    limits = (str(queue.soft_limit_s), str(queue.hard_limit_s))
    return {
        "name": queue.name,
        "pool": queue.pool,
        "concurrency": (queue.concurrency, queue.concurrency),
        "limits": limits if is_held_by_celery else (None, None),
        "grace": queue.hard_limit_s + 60,
        "replicas": (queue.min_replicas, queue.max_replicas),
        "wait": queue.wait_target_s,
    }


@pytest.mark.parametrize("provider", ["operator", "keda", "hpa"])
def test_replicas_are_left_to_what_sizes_the_pool(provider: str) -> None:
    values = {"autoscaling": {"provider": provider}}
    assert "replicas" not in worker("pdf", values, apis=[rendering.KEDA])["spec"]


def test_replicas_are_fixed_where_nobody_sizes_the_pool() -> None:
    values = {"autoscaling": {"provider": "none"}, "workers": {"defaults": {"replicas": 3}}}
    assert worker("pdf", values)["spec"]["replicas"] == 3


def test_a_pool_inherits_the_defaults_key_by_key() -> None:
    defaults = {
        "resources": {"requests": {"cpu": "7m"}, "limits": {"memory": "9Gi"}},
        "pod": {"nodeSelector": {"disk": "fast"}},
    }
    values = {
        "workers": {
            "defaults": defaults,
            "pools": {"more": {"resources": {"limits": {"memory": "1Gi"}}}},
        }
    }
    deployment = worker("more", values)
    want = {
        "requests": {"cpu": "7m", "memory": "256Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }
    container = rendering.main_container(deployment)
    assert (container["resources"], rendering.pod_of(deployment)["nodeSelector"]) == (
        want,
        {"disk": "fast"},
    )


def test_a_pool_may_set_zero_where_the_defaults_do_not() -> None:
    values = {
        "workers": {
            "defaults": {"minReplicas": 2, "hardTimeLimitSeconds": 600},
            "pools": {"more": {"minReplicas": 0, "hardTimeLimitSeconds": 0}},
        }
    }
    rendered = rendering.render(values)
    assert rendered.get("WorkerPool", "celeriac-more")["spec"]["minReplicas"] == 0
    grace = rendering.pod_of(worker("more", values))["terminationGracePeriodSeconds"]
    assert grace == 3600


def test_a_pool_can_be_left_out() -> None:
    values = {"pipelines": {"pools": {"videos": None}}}
    names = {each["metadata"]["name"] for each in rendering.render(values).objects}
    assert [name for name in names if "videos" in name] == []


def test_a_pool_of_ones_own_can_be_left_out() -> None:
    values = {"workers": {"pools": {"more": None, "mail": {"queues": ["post"]}}}}
    rendered = rendering.render(values)
    pools = {each["metadata"]["name"] for each in rendered.of_kind("WorkerPool")}
    assert {"celeriac-mail", "celeriac-more"} & pools == {"celeriac-mail"}


def test_an_application_whose_only_pool_is_left_out_has_none() -> None:
    workers = {"image": {"repository": "shop", "tag": "1"}, "pools": {"orders": None}}
    with pytest.raises(ChartRefused, match=r"at least one pool in workers\.pools"):
        rendering.render({"celery": {"app": "shop.tasks"}, "workers": workers})


def test_a_cap_holds_for_pools_and_schedules_with_a_maximum_of_their_own() -> None:
    window = {"name": "day", "timezone": "UTC", "start": "0 8 * * *", "end": "0 18 * * *"}
    more = {
        "minReplicas": 3,
        "maxReplicas": 20,
        "autoscaling": {"schedules": [{**window, "minReplicas": 5, "maxReplicas": 9}]},
    }
    rendered = rendering.render({"workers": {"maxReplicas": 2, "pools": {"more": more}}})
    sizes = {each["spec"]["maxReplicas"] for each in rendered.of_kind("WorkerPool")}
    spec = rendered.get("WorkerPool", "celeriac-more")["spec"]
    assert sizes <= {1, 2}
    assert (spec["minReplicas"], spec["schedules"]) == (
        2,
        [{**window, "minReplicas": 2, "maxReplicas": 2}],
    )


@pytest.mark.parametrize("provider", ["keda", "hpa", "none"])
def test_a_cap_holds_for_every_provider(provider: str) -> None:
    rendered = rendering.render(
        {
            "autoscaling": {"provider": provider},
            "workers": {"maxReplicas": 1, "defaults": {"replicas": 4}},
        },
        apis=[rendering.KEDA],
    )
    sizes = {
        each["spec"].get(key)
        for kind, key in (
            ("ScaledObject", "maxReplicaCount"),
            ("HorizontalPodAutoscaler", "maxReplicas"),
            ("Deployment", "replicas"),
        )
        for each in rendered.of_kind(kind)
        if "worker" in each["metadata"]["name"]
    }
    assert sizes - {None} == {1}


def test_a_target_replaces_the_default_one() -> None:
    values = own_pool(autoscaling={"target": {"backlogPerReplica": 3}})
    spec = rendering.render(values).get("WorkerPool", "celeriac-more")["spec"]
    assert spec["target"] == {"backlogPerReplica": 3}


def test_own_workers_run_the_celeriac_command() -> None:
    container = rendering.main_container(worker("more", own_pool(queues=["a", "b"], pool="solo")))
    assert (container["command"], container["args"]) == (
        ["celeriac", "worker"],
        ["--queue=a", "--queue=b", "--pool=solo", "--concurrency=2"],
    )


def test_workers_of_another_application_run_plain_celery_in_its_image() -> None:
    container = rendering.main_container(worker("mail", matrix.SHOP))
    assert (container["image"], container["command"], container["args"]) == (
        "shop:1.4.2",
        ["celery", "--app", "shop.tasks", "worker"],
        ["--queues=mail,newsletters", "--pool=prefork", "--concurrency=2"],
    )


def test_workers_of_another_application_get_the_broker_and_nothing_of_ours() -> None:
    deployment = worker("orders", matrix.SHOP)
    container = rendering.main_container(deployment)
    names = [variable["name"] for variable in container["env"]]
    volumes = [volume["name"] for volume in rendering.pod_of(deployment)["volumes"]]
    assert (names, volumes, "envFrom" in container) == (
        ["HOME", "CELERY_BROKER_URL"],
        ["tmp"],
        False,
    )


def test_another_application_brings_nothing_of_ours_but_operator_and_exporter() -> None:
    rendered = rendering.render(matrix.SHOP)
    names = {each["metadata"]["name"] for each in rendered.of_kind("Deployment")}
    workers = {"celeriac-worker-orders", "celeriac-worker-mail"}
    assert names == {"celeriac-operator", "celeriac-exporter", *workers}
    assert rendered.kinds() & {"StatefulSet", "PersistentVolumeClaim", "Secret"} == set()


def test_a_command_of_ones_own_replaces_the_chart_s() -> None:
    values = own_pool(command=["run-workers", "now"], extraArgs=["--fast"])
    container = rendering.main_container(worker("more", values))
    assert (container["command"], container["args"]) == (["run-workers", "now"], ["--fast"])


def test_a_pool_may_have_an_image_of_its_own() -> None:
    image = {"registry": "images.example.com", "repository": "video", "tag": "2"}
    values = {"pipelines": {"pools": {"videos": {"image": image}}}}
    images = {
        pool: rendering.main_container(worker(pool, values))["image"] for pool in ("videos", "pdf")
    }
    assert images == {"videos": "images.example.com/video:2", "pdf": "celeriac:0.1.0"}


def test_a_digest_wins_over_the_tag() -> None:
    digest = "sha256:" + "1" * 64
    container = rendering.main_container(worker("pdf", {"image": {"tag": "9", "digest": digest}}))
    assert container["image"] == f"celeriac@{digest}"


def test_own_workers_are_judged_by_a_file_and_others_not_at_all() -> None:
    own = rendering.main_container(worker("pdf"))
    other = rendering.main_container(worker("mail", matrix.SHOP))
    assert "CELERIAC_LIVENESS_FILE" in json.dumps(own["livenessProbe"]["exec"])
    assert {"livenessProbe", "startupProbe", "readinessProbe"} & set(other) == set()


def test_no_probe_asks_over_the_broker() -> None:
    probes = [
        json.dumps(container[probe])
        for case in matrix.CASES.values()
        for _, container in case.render().containers()
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        if probe in container
    ]
    assert [probe for probe in probes if "inspect" in probe or "celery" in probe] == []


def test_pools_that_share_a_volume_for_one_node_are_kept_together() -> None:
    one_node = rendering.pod_of(worker("pdf"))["affinity"]["podAffinity"]
    terms = one_node["requiredDuringSchedulingIgnoredDuringExecution"]
    labels = worker("pdf")["spec"]["template"]["metadata"]["labels"]
    assert [term["topologyKey"] for term in terms] == ["kubernetes.io/hostname"]
    assert terms[0]["labelSelector"]["matchLabels"].items() <= labels.items()


def test_pools_that_share_a_volume_for_many_nodes_spread() -> None:
    pod = rendering.pod_of(worker("pdf", {"files": {"accessMode": "ReadWriteMany"}}))
    assert ("affinity" in pod, len(pod["topologySpreadConstraints"])) == (False, 1)


def test_keda_sums_the_priority_lists_of_every_queue() -> None:
    values = {
        "autoscaling": {"provider": "keda", "keda": {"prioritySteps": [0, 3, 6, 9]}},
        **own_pool(queues=["a", "b"], concurrency=4),
    }
    rendered = rendering.render(values, apis=[rendering.KEDA])
    spec = rendered.get("ScaledObject", "celeriac-worker-more")["spec"]
    lists = {trigger["name"]: trigger["metadata"]["listName"] for trigger in spec["triggers"]}
    modifiers = spec["advanced"]["scalingModifiers"]
    assert lists == {
        **{"q0p0": "a", "q1p0": "b"},
        **{f"q0p{step}": f"a{KOMBU_SEPARATOR}{step}" for step in (3, 6, 9)},
        **{f"q1p{step}": f"b{KOMBU_SEPARATOR}{step}" for step in (3, 6, 9)},
    }
    assert sorted(modifiers["formula"].split(" + ")) == sorted(lists)
    assert (modifiers["target"], modifiers["metricType"]) == ("4", "AverageValue")


def test_an_hpa_never_goes_to_zero_unless_told() -> None:
    values: Values = {"autoscaling": {"provider": "hpa"}}
    allowed: Values = {"autoscaling": {"provider": "hpa", "hpa": {"scaleToZero": True}}}
    floors = [
        rendering.render(each).get("HorizontalPodAutoscaler", "celeriac-worker-pdf")["spec"][
            "minReplicas"
        ]
        for each in (values, allowed)
    ]
    assert floors == [1, 0]
