"""values.yaml, its schema and the templates say the same: nothing is missing in any of them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart import matrix, rendering
from tests.chart.rendering import Manifest, Values
from tests.chart.sentinels import Sentinels

SCHEMA: Manifest = json.loads((rendering.CHART / "values.schema.json").read_text())
DEFAULTS: Manifest = yaml.safe_load((rendering.CHART / "values.yaml").read_text())
TEMPLATES = sorted((rendering.CHART / "templates").rglob("*.*"))

UNREAD = {"global", "workers.defaults.queues", "workers.maxReplicas"}
"""Helm's own, what would give all pools the same queues, and the cap that would hide their sizes
(`test_pools` covers it)."""


def _merged(*layers: Values) -> Manifest:
    merged: Manifest = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            deep = isinstance(below, dict) and isinstance(value, dict)
            merged[key] = _merged(below, value) if deep and below is not None else value
    return merged


def _shapes(node: Any, path: str = "") -> Iterator[tuple[str, Manifest]]:
    """Every schema within a schema, by its path."""
    if isinstance(node, dict):
        if "type" in node or "$ref" in node or "enum" in node or "properties" in node:
            yield path, node
        for key, child in node.items():
            yield from _shapes(child, f"{path}/{key}")


def test_defaults_are_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(DEFAULTS, SCHEMA)


def test_every_object_is_closed_or_says_what_it_holds() -> None:
    open_ended = [
        path
        for path, node in _shapes(SCHEMA)
        if "properties" in node and node.get("additionalProperties") is not False
    ]
    assert open_ended == []


def test_every_value_is_described() -> None:
    mute = [
        f"{path}/{name}"
        for path, node in _shapes(SCHEMA)
        for name, child in node.get("properties", {}).items()
        if not child.get("description")
    ]
    assert mute == []


def test_every_value_of_the_schema_has_its_default_in_values_yaml() -> None:
    missing = [path for path in _paths_with_default(SCHEMA, "") if not _stands(DEFAULTS, path)]
    assert missing == []


def _paths_with_default(node: Manifest, path: str) -> Iterator[str]:
    for name, child in node.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        if "default" in child:
            yield below
        else:
            yield from _paths_with_default(child, below)


def _stands(values: Any, path: str) -> bool:  # Any: a JSON value
    for part in path.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def test_templates_read_no_value_that_the_schema_does_not_know() -> None:
    read = {
        match.group(1)
        for path in TEMPLATES
        for match in re.finditer(r"\.Values\.([A-Za-z]\w*(?:\.[A-Za-z]\w*)*)", path.read_text())
    }
    assert [path for path in sorted(read) if not _is_known(path)] == []


def _is_known(path: str) -> bool:
    node = SCHEMA
    for part in path.split("."):
        if "$ref" in node:
            node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
        if "properties" not in node:
            return True
        if part not in node["properties"]:
            return False
        node = node["properties"][part]
    return True


INTERNAL: Values = {
    "api": {
        "ingress": {"enabled": True},
        "httpRoute": {"enabled": True},
        "autoscaling": {"enabled": True},
    },
    "flower": {"enabled": True},
    "priorityClasses": {"create": True},
    "operator": {"clusterWide": True},
    "celery": {"beat": True},
}
EXTERNAL: Values = {
    **INTERNAL,
    "redis": {"enabled": False},
    "postgresql": {"enabled": False},
    "api": {"ingress": {"enabled": True}, "httpRoute": {"enabled": True}},
}
SETS: dict[str, tuple[Values, set[str]]] = {
    "with data of its own": (
        INTERNAL,
        {
            *("redis.existingSecret", "postgresql.existingSecret", "files.existingClaim"),
            *("broker", "database", "existingClaim", "digest", "command"),
            *("fullnameOverride", "workers.pools.*.image", "workers.defaults"),
        },
    ),
    "with data of others": (
        EXTERNAL,
        {
            *("redis", "postgresql", "nameOverride", "tag", "extraArgs"),
            *("workers.pools", "pipelines.pools", "priorityClassName", "keyPrefix"),
        },
    ),
    "an application of others": (
        {
            **EXTERNAL,
            "pipelines": {"enabled": False},
            "operator": {"admissionPolicy": {"enabled": True}},
        },
        {
            *("redis", "postgresql", "nameOverride", "tag", "extraArgs"),
            *("pipelines.pools", "priorityClassName", "command"),
        },
    ),
    "with Secrets and claims of others": (
        {**INTERNAL, "celery": {"app": "", "beat": False}},
        {"broker", "database", "digest", "size", "storageClassName", "workers.defaults"},
    ),
    "sized by KEDA": (
        {"autoscaling": {"provider": "keda"}},
        {"broker", "database", "digest", "workers.defaults"},
    ),
    "sized by an HPA": (
        {"autoscaling": {"provider": "hpa"}},
        {"broker", "database", "digest", "workers.defaults"},
    ),
    "sized by nobody": (
        {"autoscaling": {"provider": "none"}},
        {"broker", "database", "digest", "command"},
    ),
}
"""Renderings that between them show every value: what is fixed, and what gets no value there."""


UNBOUND: Values = {
    "workers": {"pools": {"other": {}}},
    "pipelines": {"pools": {name: {"minReplicas": 0} for name in DEFAULTS["pipelines"]["pools"]}},
}
"""Pools whose bounds go with any defaults."""


def test_every_text_and_number_is_read_by_a_template() -> None:
    seen, asked = set(), set()
    for fixed, skipped in SETS.values():
        sentinels = Sentinels(SCHEMA, frozenset(skipped | UNREAD))
        values = _merged(UNBOUND, sentinels.values(), fixed)
        text = rendering.render(
            values, apis=[rendering.KEDA, rendering.GATEWAY, *rendering.MONITORING]
        ).text
        asked |= set(sentinels.marks)
        seen |= {path for path, mark in sentinels.marks.items() if mark in text}
    assert sorted(asked - seen) == []


ALL_ON: Values = {
    **matrix.CASES["every switch on"].values,
    "redis": {"existingSecret": "redis"},
    "postgresql": {"existingSecret": "postgresql"},
    "operator": {"image": {"repository": "celeriac-operator"}},
    "exporter": {"image": {"repository": "celeriac-operator"}},
    "api": {
        **matrix.CASES["every switch on"].values["api"],
        "image": {"repository": "celeriac-api"},
    },
    "celery": {"app": "shop.tasks", "beat": True},
    "workers": matrix.SHOP["workers"],
}
"""Everything is there, and nothing is random."""

CONTEXT: dict[str, Values] = {
    "autoscaling.keda": {"autoscaling": {"provider": "keda"}},
    "autoscaling.hpa": {"autoscaling": {"provider": "hpa"}},
    "workers.defaults.image": {
        "workers": {"defaults": {"image": {"repository": "worker", "tag": "1"}}}
    },
}
"""What a switch needs to be seen, by the start of its path."""

COMPANIONS: dict[str, Values] = {
    "broker.sentinel.tls": {
        "redis": {"enabled": False},
        "broker": {"existingSecret": "broker", "masterName": "main"},
    },
    "redis.enabled": {"broker": {"existingSecret": "broker"}},
    "redis.users": {"redis": {"existingSecret": ""}},
    "postgresql.enabled": {"database": {"existingSecret": "database"}},
}
"""What must change with a switch."""


def _switches(node: Manifest, path: str = "") -> Iterator[tuple[str, Manifest]]:
    """What has a few values only, by its path."""
    if "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
    for name, child in node.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        if "enum" in child or child.get("type") == "boolean":
            yield below, child
        yield from _switches(child, below)


@pytest.mark.parametrize("path", dict(_switches(SCHEMA)))
def test_every_switch_makes_a_difference(path: str) -> None:
    node = dict(_switches(SCHEMA))[path]
    before = _merged(ALL_ON, *(v for start, v in CONTEXT.items() if path.startswith(start)))
    change = _nested(path, _other(node, _at(before, path)))
    after = _merged(before, change, COMPANIONS.get(path, {}))
    apis = [rendering.KEDA, rendering.GATEWAY, *rendering.MONITORING]
    assert rendering.render(before, apis=apis).text != rendering.render(after, apis=apis).text


def _other(node: Manifest, now: Any) -> Any:  # Any: JSON values
    return next(value for value in reversed(node.get("enum", [True, False])) if value != now)


def _at(values: Values, path: str) -> Any:  # Any: a JSON value
    found: Any = _merged(DEFAULTS, values)
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _nested(path: str, value: Any) -> Manifest:  # Any: a JSON value
    for part in reversed(path.split(".")):
        value = {part: value}
    nested: Manifest = value
    return nested


def test_no_secret_is_a_value() -> None:
    names = set(SCHEMA["properties"]["settings"]["properties"])
    assert "CELERIAC_LLM_MODEL" in names
    assert {name for name in names if re.search("KEY|PASSWORD|SECRET|TOKEN$", name)} == set()
