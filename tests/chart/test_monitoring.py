"""What Prometheus and Grafana find of a release, and that it fits what there is to scrape."""

from tests.chart import rendering
from tests.chart.rendering import Manifest, Rendered

MONITORS = ("ServiceMonitor", "PodMonitor")


def rendered() -> Rendered:
    return rendering.render(
        {"monitoring": {"labels": {"release": "prometheus"}}}, apis=rendering.MONITORING
    )


def test_without_the_kinds_of_the_prometheus_operator_there_is_no_object_of_them() -> None:
    assert rendering.render().kinds() & {*MONITORS, "PrometheusRule"} == set()


def test_every_monitor_finds_a_port_of_that_name() -> None:
    found = rendered()
    monitors = [each for kind in MONITORS for each in found.of_kind(kind)]
    names = {each["metadata"]["name"] for each in monitors}
    assert names == {"celeriac-api", "celeriac-exporter", "celeriac-operator"}
    assert [each["metadata"]["name"] for each in monitors if not _finds_port(found, each)] == []


def test_prometheus_scrapes_the_api_with_a_key_that_may_only_read() -> None:
    [api] = [each for each in rendered().of_kind("ServiceMonitor") if _is_of_api(each)]
    [endpoint] = api["spec"]["endpoints"]
    want = {"name": "celeriac-api", "key": "metrics-key"}
    assert endpoint["authorization"]["credentials"] == want


def _is_of_api(monitor: Manifest) -> bool:
    return bool(monitor["metadata"]["name"] == "celeriac-api")


def _finds_port(found: Rendered, monitor: Manifest) -> bool:
    spec = monitor["spec"]
    wanted = spec["selector"]["matchLabels"].items()
    endpoints = spec.get("endpoints") or spec["podMetricsEndpoints"]
    if monitor["kind"] == "ServiceMonitor":
        owners = [(each["metadata"], each["spec"]["ports"]) for each in found.of_kind("Service")]
    else:
        owners = [
            (pod["metadata"], container.get("ports", []))
            for _, pod in found.pods()
            for container in pod["spec"]["containers"]
        ]
    ports = {
        port["name"]
        for metadata, ports in owners
        if wanted <= metadata["labels"].items()
        for port in ports
    }
    return {each["port"] for each in endpoints} <= ports


def test_the_dashboards_for_celery_exporter_find_its_job() -> None:
    found = rendered()
    label = found.get("ServiceMonitor", "celeriac-exporter")["spec"]["jobLabel"]
    assert "celery" in found.get("Service", "celeriac-exporter")["metadata"]["labels"][label]


def test_monitors_and_rules_carry_the_labels_that_a_prometheus_selects_by() -> None:
    found = rendered()
    objects = [each for kind in (*MONITORS, "PrometheusRule") for each in found.of_kind(kind)]
    without = [
        each["metadata"]["name"]
        for each in objects
        if each["metadata"]["labels"].get("release") != "prometheus"
    ]
    assert (without, len(objects)) == ([], 4)


def test_the_exporter_knows_the_queues_of_all_pools_from_the_start() -> None:
    exporter = rendering.main_container(rendered().get("Deployment", "celeriac-exporter"))
    declared = {
        queue for each in rendered().of_kind("WorkerPool") for queue in each["spec"]["queues"]
    }
    told = {arg.removeprefix("--queue=") for arg in exporter["args"] if arg.startswith("--queue=")}
    assert (told, bool(told)) == (declared, True)
