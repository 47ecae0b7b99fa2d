"""Who may speak to whom: nothing by default, and each needed path by name."""

import ipaddress
from typing import Any

import pytest

from app.fetch import addresses
from tests.chart import matrix, rendering
from tests.chart.rendering import Manifest, Rendered, Values

PRIVATE = ["10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "127.0.0.1"]
PUBLIC = ["93.184.215.14", "2606:2800:220:1::1", "8.8.8.8"]


def policy(rendered: Rendered, name: str) -> Manifest:
    spec: Manifest = rendered.get("NetworkPolicy", f"celeriac-{name}")["spec"]
    return spec


def test_every_pod_is_denied_what_no_policy_allows() -> None:
    rendered = rendering.render()
    spec = policy(rendered, "release")
    labels = [pod["metadata"]["labels"] for _, pod in rendered.pods()]
    assert all(spec["podSelector"]["matchLabels"].items() <= each.items() for each in labels)
    assert (spec["policyTypes"], "ingress" in spec) == (["Ingress", "Egress"], False)
    ports = [port["port"] for rule in spec["egress"] for port in rule["ports"]]
    assert ports == [53, 53]


def test_names_are_asked_for_in_the_cluster_alone() -> None:
    [rule] = policy(rendering.render(), "release")["egress"]
    inside = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    assert rule["to"] == [inside, {"ipBlock": {"cidr": "169.254.20.10/32"}}]
    openshift = {"dnsPeers": [{"namespaceSelector": {}}], "dnsPorts": [5353]}
    [rule] = policy(rendering.render({"networkPolicy": openshift}), "release")["egress"]
    assert ([port["port"] for port in rule["ports"]], rule["to"]) == (
        [5353, 5353],
        [{"namespaceSelector": {}}],
    )


@pytest.mark.parametrize(
    ("component", "want"),
    [
        ("api", {("redis", 6379), ("postgresql", 5432)}),
        ("beat", {("redis", 6379), ("postgresql", 5432)}),
        ("worker-pdf", {("redis", 6379), ("postgresql", 5432)}),
        ("operator", {("redis", 6379)}),
        ("exporter", {("redis", 6379)}),
    ],
)
def test_a_component_reaches_what_it_needs(component: str, want: set[tuple[str, int]]) -> None:
    spec = policy(rendering.render(), component)
    reached = {
        (peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"], port["port"])
        for rule in spec["egress"]
        for peer in rule.get("to", [])
        if "podSelector" in peer
        for port in rule["ports"]
    }
    assert reached == want


@pytest.mark.parametrize("pool", ["download", "youtube", "websites", "notifications", "llm"])
def test_a_fetching_pool_reaches_public_addresses_and_no_private_one(pool: str) -> None:
    spec = policy(rendering.render(), f"worker-{pool}")
    assert [_reaches(spec, address) for address in PUBLIC] == [True] * len(PUBLIC)
    assert [_reaches(spec, address) for address in PRIVATE] == [False] * len(PRIVATE)


def test_the_policy_refuses_what_the_code_refuses() -> None:
    spec = policy(rendering.render(), "worker-download")
    edges = [
        address
        for network in addresses.REFUSED
        for address in (network.network_address, network.broadcast_address)
    ]
    assert [str(edge) for edge in edges if _reaches(spec, str(edge))] == []


def _reaches(spec: Manifest, address: str) -> bool:
    blocks = [
        peer["ipBlock"]
        for rule in spec["egress"]
        for peer in rule.get("to", [])
        if "ipBlock" in peer
    ]
    return any(_holds(block, ipaddress.ip_address(address)) for block in blocks)


def _holds(block: Manifest, address: Any) -> bool:  # Any: either version's address type
    inside = address in ipaddress.ip_network(block["cidr"])
    return inside and not any(address in ipaddress.ip_network(each) for each in block["except"])


def test_exceptions_lie_within_their_block() -> None:
    spec = policy(rendering.render(), "worker-download")
    outside = [
        each
        for rule in spec["egress"]
        for peer in rule.get("to", [])
        for each in peer.get("ipBlock", {}).get("except", [])
        if ipaddress.ip_network(each).version
        != ipaddress.ip_network(peer["ipBlock"]["cidr"]).version
    ]
    assert outside == []


@pytest.mark.parametrize("pool", ["conversion", "documents", "pdf", "cleanup", "default"])
def test_a_pool_that_fetches_nothing_has_no_way_out(pool: str) -> None:
    spec = policy(rendering.render(), f"worker-{pool}")
    assert [_reaches(spec, address) for address in PUBLIC + PRIVATE] == [False] * 9
    assert all("to" in rule for rule in spec["egress"])


def test_an_application_that_is_not_ours_reaches_everything_unless_told() -> None:
    assert policy(rendering.render(matrix.SHOP), "worker-mail")["egress"] == [{}]


def test_data_is_reached_by_pods_of_the_release_alone() -> None:
    rendered = rendering.render()
    for name, port in (("redis", 6379), ("postgresql", 5432)):
        (rule,) = policy(rendered, name)["ingress"]
        (peer,) = rule["from"]
        assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "celeriac"
        assert rule["ports"] == [{"protocol": "TCP", "port": port}]


def test_the_api_is_for_the_release_s_namespace_unless_told() -> None:
    rule = policy(rendering.render(), "api")["ingress"][0]
    assert rule["from"] == [{"podSelector": {}}]


def test_clients_of_the_api_can_be_named() -> None:
    gateway = {"namespaceSelector": {"matchLabels": {"name": "gateway"}}}
    values: Values = {"networkPolicy": {"apiClients": [gateway]}}
    rules = policy(rendering.render(values), "api")["ingress"]
    assert [rule["from"] for rule in rules] == [[gateway], [_release()]]


def test_nobody_else_calls_the_api_where_there_is_no_test() -> None:
    rendered = rendering.render({"tests": {"enabled": False}})
    (rule,) = policy(rendered, "api")["ingress"]
    assert rule["from"] == [{"podSelector": {}}]


def _release() -> Manifest:
    labels = {"app.kubernetes.io/name": "celeriac", "app.kubernetes.io/instance": "celeriac"}
    return {"podSelector": {"matchLabels": labels}}


def test_an_external_broker_can_be_named() -> None:
    peers = [{"ipBlock": {"cidr": "10.0.0.5/32"}}]
    values = {**matrix.SHOP, "networkPolicy": {"brokerPeers": peers, "brokerPorts": [6380]}}
    rule = policy(rendering.render(values), "operator")["egress"][0]
    assert rule == {"to": peers, "ports": [{"protocol": "TCP", "port": 6380}]}
