"""Parts of the chart's schema that the code states: pools, settings, the words of a pool."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from app import queues, settings
from app.control.pool.spec import WorkerPoolSpec
from app.fetch import addresses

Node = dict[str, Any]
"""A JSON schema, or a part of one."""

SET_BY_CHART = frozenset(
    {
        "CELERY_BROKER_URL",
        "CELERY_RESULT_BACKEND",
        "CELERY_TASK_ALWAYS_EAGER",
        "DATABASE_URL",
        "MONGODB_URL",
        "TEMP_DIR",
        "STORAGE_DIR",
        "STORAGE_URL",
        "CACHE_DIR",
        "CELERIAC_HOST",
        "CELERIAC_PORT",
        "CELERIAC_URL",
        "CELERIAC_API_HOSTS",  # kubelet asks by the address of the pod
        *("CELERIAC_INSECURE", "CELERIAC_ADMIN_KEY", "CELERIAC_METRICS_KEY"),  # `api`
        "CELERIAC_LEAVING_FILE",
        "CELERIAC_LIVENESS_FILE",
        *("CELERIAC_SENTINEL_MASTER", "CELERIAC_SENTINEL_USERNAME"),
        *("CELERIAC_SENTINEL_PASSWORD", "CELERIAC_SENTINEL_TLS"),
    }
)
"""Settings that have a place of their own in the values, or none in a cluster; what holds a
password comes from `settingsSecret`."""


def parts(*, pool_extras: Mapping[str, Node], pool_defaults: Node) -> dict[str, Node]:
    """What `$import: name` stands for.

    `pool_extras` is what `schema/pools.yaml` adds to the queues; `pool_defaults` is what a pool
    need not say of its size.
    """
    pools = {
        queue.name: {**_pool(queue, pool_defaults), **pool_extras[queue.name]}
        for queue in queues.QUEUES
    }
    return {
        **_spec_properties(),
        "pools": {"default": pools},
        "settings": _settings(),
        "privateRanges": {"default": [str(network) for network in _firewalled()]},
    }


def _firewalled() -> Iterator[IPv4Network | IPv6Network]:
    """What a NetworkPolicy must take out of 0.0.0.0/0 and of 2000::/3, the routed part of IPv6."""
    routed = IPv6Network("2000::/3")
    for network in addresses.REFUSED:
        if isinstance(network, IPv4Network) or network.subnet_of(routed):
            yield network


def spec_shapes() -> dict[str, Node]:
    """The shapes that the words of a pool refer to, by name."""
    return {name: _plain(shape) for name, shape in _spec_schema().get("$defs", {}).items()}


def _spec_schema() -> Node:
    return WorkerPoolSpec.model_json_schema(by_alias=True)


def _spec_properties() -> dict[str, Node]:
    return {name: _plain(node) for name, node in _spec_schema()["properties"].items()}


def _plain(node: Any) -> Any:  # Any: a JSON value, walked to its leaves
    """The same schema without titles and defaults: in the values, left out means left out."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: value for key, value in node.items() if key not in ("title", "default")}
    if "properties" in plain:
        shapes = {name: _plain(value) for name, value in plain.pop("properties").items()}
        return {**{key: _plain(value) for key, value in plain.items()}, "properties": shapes}
    return {key: _plain(value) for key, value in plain.items()}


def _pool(queue: queues.Queue, defaults: Node) -> Node:
    """What differs from the defaults, so that a change of the defaults reaches the other pools."""
    values = queue.pool_values()
    same = [name for name in ("minReplicas", "maxReplicas") if values[name] == defaults[name]]
    if values["autoscaling"]["target"] == defaults["autoscaling"]["target"]:
        same.append("autoscaling")
    return {name: value for name, value in values.items() if name not in same}


def _settings() -> Node:
    return {"type": "object", "properties": dict(_setting_schemas())}


def _setting_schemas() -> Iterator[tuple[str, Node]]:
    """All but those of the chart, and but secrets: these have no place in a ConfigMap."""
    for group in settings.groups():
        schemas = group.model_json_schema(by_alias=False)["properties"]
        for field, info in group.model_fields.items():
            name = _variable(info)
            if name not in SET_BY_CHART and not _is_secret(schemas[field]):
                yield name, _setting(schemas[field], field)


def _is_secret(schema: Node) -> bool:
    """Also one that may be left out."""
    return any(part.get("writeOnly") for part in (schema, *schema.get("anyOf", ())))


def _variable(info: FieldInfo) -> str:
    alias = info.validation_alias
    name = alias.choices[0] if isinstance(alias, AliasChoices) else alias
    if not isinstance(name, str):
        raise TypeError(f"a setting is not read from an environment variable: {info!r}")
    return name


def _setting(schema: Node, field: str) -> Node:
    """A scalar as the environment has it: lists are text, and text may stand for any scalar."""
    told = {**_only_kind(schema), **schema}
    plain = {key: value for key, value in told.items() if key in _SCALAR_WORDS}
    if plain.get("type") not in ("integer", "number", "boolean"):
        plain["type"] = "string"
    if "description" not in schema:
        raise KeyError(f"app/settings/ does not say what {field} is")
    return {**plain, "description": schema["description"]}


def _only_kind(schema: Node) -> Node:
    """What a setting is that may also be left out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    return dict(kinds[0]) if len(kinds) == 1 else {}


_SCALAR_WORDS = (
    "type",
    "enum",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "pattern",
)
