"""Values that cannot work are refused in one clear sentence, and nothing is rendered."""

import pytest
import yaml

from tests.chart import matrix, rendering
from tests.chart.rendering import ChartRefused, Values

_EXTERNAL_BROKER: Values = {"redis": {"enabled": False}, "broker": {"existingSecret": "broker"}}

CASES: dict[str, tuple[Values, str]] = {
    "a name that is not in the schema": (
        {"api": {"replica": 3}},
        "at '/api': additional properties 'replica' not allowed",
    ),
    "a wrong type": ({"api": {"replicas": "two"}}, "at '/api/replicas': got string, want integer"),
    "an unknown provider": (
        {"autoscaling": {"provider": "cron"}},
        "at '/autoscaling/provider': value must be one of 'operator', 'keda', 'hpa', 'none'",
    ),
    "a misspelt setting": (
        {"settings": {"CELERIAC_MAX_ATTEMPT": 2}},
        "at '/settings': additional properties 'CELERIAC_MAX_ATTEMPT' not allowed",
    ),
    "no broker": (
        {"redis": {"enabled": False}},
        "redis.enabled is false, so name the Secret that holds your broker's URL in "
        "broker.existingSecret",
    ),
    "two brokers": (
        {"broker": {"existingSecret": "broker"}},
        "broker.existingSecret names a broker of yours, so set redis.enabled to false",
    ),
    "users of a foreign Redis": (
        {"redis": {"users": True, "existingSecret": "mine"}},
        "redis.users generates the users of the release's own Redis with their passwords, so leave "
        "out redis.existingSecret, and keep redis.enabled",
    ),
    "no database": (
        {"postgresql": {"enabled": False}},
        "postgresql.enabled is false, so name the Secret that holds your database's URL in "
        "database.existingSecret",
    ),
    "two databases": (
        {"database": {"existingSecret": "database"}},
        "database.existingSecret names a database of yours, so set postgresql.enabled to false",
    ),
    "bounds the wrong way round": (
        {"pipelines": {"pools": {"pdf": {"minReplicas": 20}}}},
        "pool pdf: minReplicas (20) must not be above maxReplicas (10)",
    ),
    "bounds of the API the wrong way round": (
        {"api": {"autoscaling": {"enabled": True, "minReplicas": 20}}},
        "api.autoscaling.minReplicas must not be above api.autoscaling.maxReplicas",
    ),
    "time limits the wrong way round": (
        {"pipelines": {"pools": {"pdf": {"softTimeLimitSeconds": 1800}}}},
        "pool pdf: softTimeLimitSeconds must be below hardTimeLimitSeconds",
    ),
    "Sentinels of the release's own Redis": (
        {"broker": {"masterName": "main"}},
        "the release's own Redis has no Sentinels, so leave out broker.masterName and "
        "broker.sentinel, or set redis.enabled to false",
    ),
    "a password of Sentinels without their set": (
        {"redis": {"enabled": False}, "broker": {"existingSecret": "b", "sentinel": {"tls": True}}},
        "broker.sentinel is about Sentinels, so name their master set in broker.masterName",
    ),
    "a queue with a comma": (
        {"workers": {"pools": {"more": {"queues": ["a,b"]}}}},
        "at '/workers/pools/more/queues/0': 'a,b' does not match pattern '^[^,]+$'",
    ),
    "a name that YAML has read as false": (
        {"workers": {"pools": {"false": {}}}},
        "pool false: YAML reads names such as on, off, yes and no as true or false: put the name "
        "in quotes, or call it something else",
    ),
    "a key prefix for our own application": (
        {"broker": {"keyPrefix": "shop:"}},
        "broker.keyPrefix is for an application of yours: Celeriac's own, which pool cleanup runs, "
        "has a database of the broker to itself; set pipelines.enabled to false, or leave "
        "broker.keyPrefix out",
    ),
    "KEDA that is not there": (
        {"autoscaling": {"provider": "keda"}},
        "autoscaling.provider is keda, and this cluster has no ScaledObject of keda.sh/v1alpha1: "
        "install KEDA first",
    ),
    "a route without the Gateway API": (
        {"api": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}]}}},
        "api.httpRoute.enabled needs the Gateway API, and this cluster has no HTTPRoute of "
        "gateway.networking.k8s.io/v1",
    ),
    "a route to nowhere": (
        {"api": {"httpRoute": {"enabled": True}}},
        "api.httpRoute.enabled needs the gateway that it attaches to in api.httpRoute.parentRefs",
    ),
    "an ingress without a host": (
        {"api": {"ingress": {"enabled": True}}},
        "api.ingress.enabled needs at least one host name in api.ingress.hosts",
    ),
    "an ingress without a certificate": (
        {"api": {"ingress": {"enabled": True, "hosts": ["jobs.example.com"]}}},
        "api.ingress.enabled without a certificate would send API keys in the clear: name one in "
        "api.ingress.tlsSecretName, or set api.ingress.allowHTTP",
    ),
    "pools of no application": (
        {**_EXTERNAL_BROKER, "pipelines": {"enabled": False}, "workers": {"pools": {"a": {}}}},
        "pipelines.enabled is false, so name your Celery application in celery.app",
    ),
    "an application without pools": (
        {"celery": {"app": "shop.tasks"}},
        "celery.app names an application of yours, so give it at least one pool in workers.pools",
    ),
    "an application without an image": (
        {"celery": {"app": "shop.tasks"}, "workers": {"pools": {"orders": {}}}},
        "celery.app names an application of yours, so name the image that holds it in "
        "workers.image.repository",
    ),
    "a beat of no application": (
        {"celery": {"beat": True}},
        "celery.beat runs the beat of an application of yours, so name that in celery.app",
    ),
    "an image without a tag": (
        {"workers": {"image": {"repository": "shop"}}},
        "workers.image needs a tag or a digest",
    ),
    "a pool's image without a tag": (
        {"pipelines": {"pools": {"videos": {"image": {"repository": "video"}}}}},
        "pool videos: its image needs a tag or a digest",
    ),
    "a tag of no image": (
        {"operator": {"image": {"tag": "1"}}},
        "operator.image has no repository, so what else it says would have no effect",
    ),
    "a queue in two pools": (
        {"workers": {"pools": {"more": {"queues": ["pdf"]}}}},
        "pools more and pdf both serve queue pdf, and each would be sized for all of it",
    ),
    "a pool twice": (
        {"workers": {"pools": {"pdf": {"queues": ["other"]}}}},
        "pool pdf is in pipelines.pools already: change it there, or call yours something else",
    ),
    "a host name that is too long": (
        {"fullnameOverride": "a" * 26, "workers": {"pools": {"b" * 20: {}}}},
        f"pool {'b' * 20}: its pods' names would be longer than a host name may be; use a shorter "
        "release name or fullnameOverride",
    ),
    "a variable that the chart sets": (
        {"api": {"pod": {"env": [{"name": "DATABASE_URL", "value": "x"}]}}},
        "api.pod.env sets DATABASE_URL, which the chart sets itself",
    ),
    "Flower for everybody": (
        {"flower": {"enabled": True}},
        "flower.enabled needs the Secret with its users in flower.existingSecret (key basicAuth, "
        "user:password)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values_that_cannot_work_are_refused_in_one_sentence(name: str) -> None:
    values, want = CASES[name]
    with pytest.raises(ChartRefused) as refused:
        rendering.render(values)
    said = str(refused.value).splitlines()
    assert [line for line in said if line.endswith(want)] != [], said


def test_keda_needs_the_address_of_a_broker_that_is_not_ours() -> None:
    values = {**_EXTERNAL_BROKER, "autoscaling": {"provider": "keda"}}
    with pytest.raises(ChartRefused, match=r"give the host and port .* autoscaling\.keda\.address"):
        rendering.render(values, apis=[rendering.KEDA])


def test_a_foreign_application_takes_fifteen_lines() -> None:
    lines = """\
pipelines: {enabled: false}
redis: {enabled: false}
broker: {existingSecret: shop-broker}
celery: {app: shop.tasks}
workers:
  image: {repository: shop, tag: 1.4.2}
  pools:
    orders: {concurrency: 4, maxReplicas: 20}
    mail: {queues: [mail, newsletters]}
"""
    assert (yaml.safe_load(lines), len(lines.splitlines()) <= 15) == (matrix.SHOP, True)
