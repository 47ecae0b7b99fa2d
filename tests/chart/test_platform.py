"""API, beat, operator, data and what stays: the parts of the chart that are not worker pools."""

import base64
import hashlib
from pathlib import Path

import pytest
import yaml

from app.operator import crd
from tests.chart import matrix, rendering
from tests.chart.rendering import Manifest, Rendered, Values
from tools.chart import outputs

ROOT = Path(__file__).parents[2]

KEEP = {"helm.sh/resource-policy": "keep"}


SENTINELS = {
    "redis": {"enabled": False},
    "broker": {
        "existingSecret": "broker",
        "masterName": "main",
        "sentinel": {"username": "guard", "passwordKey": "guards", "tls": True},
    },
}


def test_everything_that_speaks_to_the_broker_knows_its_sentinels() -> None:
    rendered = rendering.render(SENTINELS)
    plain = {
        "CELERIAC_SENTINEL_MASTER": "main",
        "CELERIAC_SENTINEL_USERNAME": "guard",
        "CELERIAC_SENTINEL_TLS": "true",
    }
    ours = {
        name: (pod, rendering.secret_files(pod))
        for name, pod in rendered.pods()
        if "CELERY_BROKER_URL" in rendering.secret_files(pod)
    }
    assert {name.partition(" celeriac")[2] for name in ours} >= {
        *("-api", "-beat", "-exporter", "-operator", "-worker-pdf"),
    }
    for pod, files in ours.values():
        assert files["CELERIAC_SENTINEL_PASSWORD"] == ("broker", "guards")
        assert (
            environment(pod["spec"]["containers"][0]).items()
            >= {name: {"name": name, "value": value} for name, value in plain.items()}.items()
        )
    assert {str(pool["spec"]["broker"]) for pool in rendered.of_kind("WorkerPool")} == {
        str(
            {
                "secretKeyRef": {"name": "broker", "key": "url"},
                "masterName": "main",
                "sentinel": {"username": "guard", "passwordKey": "guards", "tls": True},
            }
        )
    }


def environment(container: Manifest) -> dict[str, Manifest]:
    return {variable["name"]: variable for variable in container["env"]}


def test_generated_files_are_fresh() -> None:
    assert outputs.stale() == []


def test_lint_finds_nothing() -> None:
    said = rendering.helm("lint", "--strict", "--quiet", str(rendering.CHART))
    assert said.strip() == ""


def test_the_definition_of_worker_pools_is_the_operator_s() -> None:
    shipped = (rendering.CHART / "crds/workerpools.celeriac.dev.yaml").read_text()
    assert yaml.safe_load(shipped) == crd.definition()


@pytest.mark.parametrize(
    ("values", "kind", "name", "file"),
    [
        pytest.param(
            {"operator": {"brokerSecrets": None}},
            "Role",
            "celeriac-operator",
            "role.yaml",
            id="one namespace",
        ),
        pytest.param(
            {"operator": {"clusterWide": True, "brokerSecrets": None}},
            "ClusterRole",
            "work-celeriac-operator",
            "cluster-role.yaml",
            id="the whole cluster",
        ),
    ],
)
def test_the_operator_has_exactly_its_role(values: Values, kind: str, name: str, file: str) -> None:
    want = yaml.safe_load((ROOT / "k8s/rbac" / file).read_text())
    rendered = rendering.render(values)
    binding = rendered.get(f"{kind}Binding", name)
    role = rendered.get(kind, name)
    every_secret = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    assert (role["rules"], binding["roleRef"]["name"]) == ([*want["rules"], every_secret], name)
    assert [subject["name"] for subject in binding["subjects"]] == ["celeriac-operator"]


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param({}, ["celeriac-redis"], id="the release's own"),
        pytest.param(
            {"operator": {"brokerSecrets": ["shop-broker"]}},
            ["shop-broker", "celeriac-redis"],
            id="the release's own and those that are named",
        ),
        pytest.param(matrix.SHOP, ["shop-broker"], id="an external broker's"),
        pytest.param(matrix.OPERATOR_ONLY, ["shop-broker"], id="an operator without a broker"),
    ],
)
def test_the_operator_may_read_the_secrets_of_brokers_alone(
    values: Values, want: list[str]
) -> None:
    assert secret_rules(values) == [(["get"], want)]


def test_an_operator_without_any_broker_may_read_no_secret() -> None:
    values = {**matrix.OPERATOR_ONLY, "operator": {}}
    assert secret_rules(values) == []


def secret_rules(values: Values) -> list[tuple[list[str], list[str]]]:
    """What the operator's role allows on Secrets: verbs and names."""
    role = rendering.render(values).get("Role", "celeriac-operator")
    rules = [rule for rule in role["rules"] if "secrets" in rule["resources"]]
    return [(rule["verbs"], rule["resourceNames"]) for rule in rules]


def test_the_operator_can_be_installed_alone() -> None:
    rendered = rendering.render(matrix.OPERATOR_ONLY)
    [deployment] = rendered.of_kind("Deployment")
    assert deployment["metadata"]["name"] == "celeriac-operator"
    assert "CELERY_BROKER_URL" not in environment(rendering.main_container(deployment))
    assert rendered.kinds() & {"Service", "Secret", "StatefulSet", "WorkerPool"} == set()


def test_the_icon_of_the_chart_is_the_drawing_beside_it() -> None:
    chart = yaml.safe_load((rendering.CHART / "Chart.yaml").read_text())
    drawn = (rendering.CHART / "icon.svg").read_bytes().strip()
    kind, _, data = chart["icon"].partition(",")
    assert (kind, base64.b64decode(data)) == ("data:image/svg+xml;base64", drawn)


def test_the_operator_watches_one_namespace_and_is_rolled_out_without_a_gap() -> None:
    deployment = rendering.render().get("Deployment", "celeriac-operator")
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, strategy)
    container = rendering.main_container(deployment)
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert environment(container)["CELERIAC_NAMESPACE"]["valueFrom"] == {
        "fieldRef": {"fieldPath": "metadata.namespace"}
    }
    assert "--all-namespaces" not in container["args"]


def test_an_operator_of_the_whole_cluster_is_told_so() -> None:
    rendered = matrix.CASES["an operator of the whole cluster and nothing else"].render()
    container = rendering.main_container(rendered.get("Deployment", "celeriac-operator"))
    assert "--all-namespaces" in container["args"]
    assert "CELERIAC_NAMESPACE" not in environment(container)


def test_the_database_is_upgraded_before_the_api_starts() -> None:
    pod = rendering.pod_of(rendering.render().get("Deployment", "celeriac-api"))
    (migration,) = pod["initContainers"]
    assert migration["command"] == ["celeriac", "db", "upgrade", "--wait=300"]
    assert migration["env"] == pod["containers"][0]["env"]


def test_an_api_pod_ends_only_when_no_request_comes_any_more() -> None:
    deployment = rendering.render().get("Deployment", "celeriac-api")
    container = rendering.main_container(deployment)
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command == ["sh", "-c", 'touch "$CELERIAC_LEAVING_FILE"; exec sleep 10']
    assert environment(container)["CELERIAC_LEAVING_FILE"]["value"] == "/tmp/leaving"
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_a_changed_setting_restarts_what_reads_it_and_nothing_else() -> None:
    before, after = (
        _annotations(rendering.render({"settings": {"CELERIAC_MAX_ATTEMPTS": attempts}}))
        for attempts in (2, 3)
    )
    changed = {name for name in before if before[name] != after[name]}
    assert {name for name in before if "worker" in name or "api" in name or "beat" in name} == (
        changed
    )


def test_a_changed_redis_configuration_restarts_redis() -> None:
    before, after = (
        _annotations(rendering.render({"redis": {"maxMemory": memory}}))
        for memory in ("100mb", "200mb")
    )
    assert {name for name in before if before[name] != after[name]} == {
        "StatefulSet celeriac-redis"
    }


def _annotations(rendered: Rendered) -> dict[str, Manifest]:
    return {name: pod["metadata"].get("annotations", {}) for name, pod in rendered.pods()}


def test_numbers_reach_the_settings_as_they_were_written() -> None:
    rendered = matrix.CASES["every switch on"].render()
    data = rendered.get("ConfigMap", "celeriac-settings")["data"]
    assert data["CELERIAC_UPLOAD_LIMIT_BYTES"] == "2147483648"


def test_redis_keeps_every_message() -> None:
    configuration = rendering.render().get("ConfigMap", "celeriac-redis")["data"]["redis.conf"]
    lines = set(configuration.splitlines())
    assert {"appendonly yes", "maxmemory-policy noeviction"} <= lines


def test_data_and_passwords_outlive_the_release() -> None:
    rendered = rendering.render()
    kept = {
        f"{each['kind']} {each['metadata']['name']}"
        for each in rendered.objects
        if each["metadata"].get("annotations", {}).items() >= KEEP.items()
    }
    assert kept == {
        "PersistentVolumeClaim celeriac-files",
        "PersistentVolumeClaim celeriac-postgresql",
        "PersistentVolumeClaim celeriac-redis",
        "Secret celeriac-postgresql",
        "Secret celeriac-redis",
    }


def test_nothing_is_kept_where_nothing_is_asked_for() -> None:
    gone = {"persistence": {"keep": False}}
    rendered = rendering.render({"redis": gone, "postgresql": gone, "files": {"keep": False}})
    assert "resource-policy" not in rendered.text


def test_every_role_reads_the_broker_and_the_database_from_the_same_secrets() -> None:
    rendered = matrix.CASES["external broker, database, object store and claims"].render()
    ours = ["celeriac-api", "celeriac-beat", "celeriac-worker-pdf"]
    files = [
        rendering.secret_files(rendered.get("Deployment", name)["spec"]["template"])
        for name in ours
    ]
    seen = {(each["CELERY_BROKER_URL"], each["DATABASE_URL"]) for each in files}
    assert seen == {(("broker", "u"), ("database", "u"))}


OF_EACH_COMPONENT: dict[str, set[str]] = {
    **{name: set() for name in ("beat", "cleanup", "conversion", "default", "documents", "pdf")},
    "api": {"CELERIAC_ADMIN_KEY", "CELERIAC_METRICS_KEY", "NOTIFY_WEBHOOK_SECRETS"},
    "download": {"CELERIAC_FETCH_PROXY_URL", "CELERIAC_SITES_PROXY_URL"},
    "youtube": {"CELERIAC_FETCH_PROXY_URL", "CELERIAC_SITES_PROXY_URL"},
    "websites": {"CELERIAC_FETCH_PROXY_URL"},
    "notifications": {"CELERIAC_FETCH_PROXY_URL", "NOTIFY_WEBHOOK_SECRETS", "SMTP_PASSWORD"},
    "llm": {"CELERIAC_FETCH_PROXY_URL", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"},
    "videos": {"CELERIAC_FETCH_PROXY_URL", "PUBMED_API_KEY"},
}
OF_ALL = {"CELERY_BROKER_URL", "DATABASE_URL", "CELERIAC_MESSAGE_KEYS", "MONGODB_URL"}


def test_each_component_has_the_secrets_that_it_needs_and_no_other() -> None:
    rendered = rendering.render({"settingsSecret": "more", "exporter": {"enabled": True}})
    found = {
        name.partition(" celeriac-")[2].removeprefix("worker-"): set(rendering.secret_files(pod))
        for name, pod in rendered.pods()
    }
    assert {name: found[name] for name in OF_EACH_COMPONENT} == {
        name: OF_ALL | own for name, own in OF_EACH_COMPONENT.items()
    }
    for name in ("exporter", "operator", "operator-release"):
        assert found[name] == {"CELERY_BROKER_URL"}


def test_no_secret_is_an_environment_variable_of_our_own_containers() -> None:
    rendered = matrix.CASES["every switch on"].render()
    ours = [
        container
        for name, container in rendered.containers()
        if container.get("command", [""])[0] in ("celeriac", "sh") and " celeriac-test" not in name
    ]
    taken = [
        variable["name"]
        for container in ours
        for variable in container["env"]
        if "secretKeyRef" in variable.get("valueFrom", {})
    ]
    assert (len(ours) > 14, taken) == (True, [])
    assert not [
        one for container in ours for one in container.get("envFrom", ()) if "secretRef" in one
    ]


def test_passwords_are_random_and_the_urls_hold_them() -> None:
    first, second = (
        rendering.render({"fullnameOverride": name}).get("Secret", f"{name}-redis")["data"]
        for name in ("a", "b")
    )
    password, url = (base64.b64decode(first[key]).decode() for key in ("password", "url"))
    assert url == f"redis://:{password}@a-redis.work.svc:6379/0"
    assert (len(password), first["password"] != second["password"]) == (32, True)


ROLES = ("api", "beat", "exporter", "operator", "worker")


def _broker_keys(rendered: Rendered) -> dict[str, set[str]]:
    """The keys of the broker's URL, by the component that uses it."""
    found: dict[str, set[str]] = {}
    for _, pod in rendered.pods():
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        if "CELERY_BROKER_URL" in (files := rendering.secret_files(pod)):
            found.setdefault(component, set()).add(files["CELERY_BROKER_URL"][1])
    return found


def test_each_role_has_a_user_of_redis_where_the_values_say_so() -> None:
    rendered = rendering.render({"redis": {"users": True}, "exporter": {"enabled": True}})

    keys = _broker_keys(rendered)
    data = {
        name: base64.b64decode(value).decode()
        for name, value in rendered.get("Secret", "celeriac-redis")["data"].items()
    }
    users = {line.split()[1]: line.split()[3] for line in data["users.acl"].splitlines()}
    assert {role: keys[role] for role in ROLES} == {role: {f"url-{role}"} for role in ROLES}
    assert users.keys() == {"default", *ROLES}
    for role in ROLES:
        password = data[f"url-{role}"].partition(f"{role}:")[2].partition("@")[0]
        assert users[role] == f"#{hashlib.sha256(password.encode()).hexdigest()}"
    pools = rendered.of_kind("WorkerPool")
    assert {pool["spec"]["broker"]["secretKeyRef"]["key"] for pool in pools} == {"url-operator"}


def test_redis_has_one_user_by_default() -> None:
    rendered = rendering.render()

    assert {key for keys in _broker_keys(rendered).values() for key in keys} == {"url"}
    assert rendered.get("Secret", "celeriac-redis")["data"].keys() == {"password", "url"}
