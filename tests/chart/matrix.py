"""Values that between them reach every template, by the sentence that says what they are for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from tests.chart import rendering
from tests.chart.rendering import Rendered, Values

SHOP: Values = {
    "pipelines": {"enabled": False},
    "redis": {"enabled": False},
    "broker": {"existingSecret": "shop-broker"},
    "celery": {"app": "shop.tasks"},
    "workers": {
        "image": {"repository": "shop", "tag": "1.4.2"},
        "pools": {
            "orders": {"concurrency": 4, "maxReplicas": 20},
            "mail": {"queues": ["mail", "newsletters"]},
        },
    },
}
"""A Celery application that is not ours, and nothing of ours but the operator."""

OPERATOR_ONLY: Values = {
    **yaml.safe_load((rendering.CHART / "presets/operator-only.yaml").read_text()),
    "operator": {"brokerSecrets": ["shop-broker"]},
}
"""The preset, with the Secret that its user names."""

_SIDECAR = {
    "name": "proxy",
    "image": "proxy:1",
    "resources": {
        "requests": {"cpu": "10m", "memory": "16Mi"},
        "limits": {"cpu": "100m", "memory": "64Mi"},
    },
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
    "livenessProbe": {"tcpSocket": {"port": 9000}},
}

_POD: Values = {
    "annotations": {"example.com/note": "yes"},
    "labels": {"example.com/team": "video"},
    "env": [{"name": "EXTRA", "value": "1"}],
    "envFrom": [{"secretRef": {"name": "extra"}}],
    "volumes": [{"name": "extra", "emptyDir": {}}],
    "volumeMounts": [{"name": "extra", "mountPath": "/extra"}],
    "sidecars": [_SIDECAR],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
                ]
            }
        }
    },
    "priorityClassName": "important",
    "runtimeClassName": "sandbox",
    "terminationGracePeriodSeconds": 77,
}


HOSTILE_QUEUES: Mapping[str, Sequence[str]] = {
    "off": ["orders #1", "a: b", "- x", "{x}", "[x]"],
    "on": ["%x", "*x", "&x", "!x", "| x", "> x", "? x"],
    "yes": ["'x'", '"x"', "a\\b", " x ", "tab\there", "{{ .Values }}", "$(HOME)", "$HOME"],
    "no": ["~", "1e4", "0x1f", "true", "1_000", "2024-01-01", "=", "<<"],
    "null": ["grüße", "日本", "🐇", "@x", "`x`", "#x", "-", "--queue=x"],
    "1e3": [],
    "0x10": [],
    "0o17": [],
    "1-1": [],
}
"""Queues by their pool: names that are legal and that YAML, Helm or a shell would like to read."""

HOSTILE: Values = {
    "nameOverride": "0x1f",
    "fullnameOverride": "1e3",
    "pipelines": {"enabled": False},
    "celery": {"app": "shop.tasks: app"},
    "redis": {"enabled": False},
    "broker": {"existingSecret": "1e4", "urlKey": "on", "keyPrefix": "a: b #", "masterName": "1e5"},
    "workers": {
        "image": {"repository": "shop", "tag": "1.10"},
        "pools": {
            name: {"queues": queues, "extraArgs": ["1e3", "-O: fair #"]}
            for name, queues in HOSTILE_QUEUES.items()
        },
        "defaults": {"pod": {"priorityClassName": "1e6", "runtimeClassName": "on"}},
    },
    "serviceAccount": {"create": False, "name": "1e7"},
}
"""Names that are legal in Kubernetes, and that YAML reads as something else where they are bare."""


_COMPONENTS = ("api", "beat", "exporter", "operator", "redis", "postgresql", "tests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One rendering that tests look at."""

    values: Values = field(default_factory=dict)
    apis: Sequence[str] = ()

    def render(self) -> Rendered:
        return rendering.render(self.values, apis=self.apis)


CASES: dict[str, Case] = {
    "defaults": Case(),
    "an application of one's own": Case(values=SHOP),
    "ours and an application of one's own on one broker": Case(
        values={
            "celery": {"app": "shop.tasks", "beat": True},
            "workers": SHOP["workers"],
        }
    ),
    "external broker, database, object store and claims": Case(
        values={
            "redis": {"enabled": False},
            "broker": {
                "existingSecret": "broker",
                "urlKey": "u",
                "masterName": "main",
                "sentinel": {"username": "guard", "passwordKey": "s", "tls": True},
            },
            "postgresql": {"enabled": False},
            "database": {"existingSecret": "database", "urlKey": "u"},
            "objectStore": {"url": "s3://bucket/prefix", "existingSecret": "store"},
            "settingsSecret": "more",
            "files": {"existingClaim": "shared", "accessMode": "ReadWriteMany"},
            "serviceAccount": {"annotations": {"example.com/role": "store"}},
        }
    ),
    "sized by KEDA": Case(values={"autoscaling": {"provider": "keda"}}, apis=[rendering.KEDA]),
    "sized by an HPA": Case(values={"autoscaling": {"provider": "hpa"}}),
    "sized by nobody": Case(values={"autoscaling": {"provider": "none"}}),
    "an operator of the whole cluster and nothing else": Case(
        values={
            "pipelines": {"enabled": False},
            "redis": {"enabled": False},
            "broker": {"existingSecret": "broker"},
            "operator": {
                "clusterWide": True,
                "image": {"repository": "celeriac-operator"},
                "admissionPolicy": {"enabled": True},
            },
        }
    ),
    "the operator and nothing else, by the preset": Case(values=OPERATOR_ONLY),
    "every switch on": Case(
        values={
            "api": {
                "autoscaling": {"enabled": True},
                "ingress": {
                    "enabled": True,
                    "className": "nginx",
                    "hosts": ["jobs.example.com"],
                    "tlsSecretName": "jobs-tls",
                },
                "httpRoute": {
                    "enabled": True,
                    "parentRefs": [{"name": "gateway"}],
                    "hostnames": ["jobs.example.com"],
                },
            },
            "flower": {"enabled": True, "existingSecret": "flower"},
            "priorityClasses": {"create": True},
            "imagePullSecrets": [{"name": "registry"}],
            "image": {"digest": "sha256:" + "0" * 64},
            "settings": {"CELERIAC_MAX_ATTEMPTS": 2, "CELERIAC_UPLOAD_LIMIT_BYTES": 2147483648},
            "networkPolicy": {"extraEgress": [{"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}]},
        },
        apis=[rendering.GATEWAY, *rendering.MONITORING],
    ),
    "every switch off": Case(
        values={
            "networkPolicy": {"enabled": False},
            "podDisruptionBudgets": {"enabled": False},
            "migrations": {"enabled": False},
            "serviceAccount": {"create": False},
            "redis": {"persistence": {"enabled": False}},
            "postgresql": {"persistence": {"enabled": False}},
            "files": {"keep": False},
            "operator": {"enabled": False},
            "exporter": {"enabled": False},
            "monitoring": {"monitors": False, "rules": False, "dashboards": False},
            "tests": {"enabled": False},
            "security": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        }
    ),
    **{
        f"hostile names, sized by {provider}": Case(
            values={**HOSTILE, "autoscaling": {"provider": provider, "keda": {"address": "r:1"}}},
            apis=[rendering.KEDA],
        )
        for provider in ("operator", "keda", "hpa", "none")
    },
    "additions to every pod": Case(
        values={
            **{name: {"pod": _POD} for name in _COMPONENTS},
            "flower": {"enabled": True, "existingSecret": "flower", "pod": _POD},
            "workers": {"defaults": {"pod": _POD}},
            "commonLabels": {"example.com/owner": "media"},
            "commonAnnotations": {"example.com/contact": "media"},
        }
    ),
}

NAMES = sorted(CASES)
