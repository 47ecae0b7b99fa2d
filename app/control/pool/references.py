"""What the spec of a WorkerPool refers to: its target, its broker and the Secret of the broker."""

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from app.broker.redis_keys import CELERY_EXCHANGES, Exchanges

Text = Annotated[str, StringConstraints(min_length=1, max_length=253)]
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
ObjectName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=rf"^{_LABEL}(\.{_LABEL})*$"),
]
"""A DNS subdomain, as Kubernetes names objects: what an operator with rights in the whole cluster
puts into a path must not lead to another one."""
ApiVersion = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=253, pattern=rf"^({_LABEL}(\.{_LABEL})*/)?v[0-9][a-z0-9]*$"
    ),
]
KindName = Annotated[
    str, StringConstraints(min_length=1, max_length=63, pattern="^[A-Za-z][A-Za-z0-9]*$")
]
SecretDataKey = Annotated[
    str, StringConstraints(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")
]
Exchange = Annotated[
    str, StringConstraints(min_length=1, max_length=253, pattern=r"^[^\s*?\[\]\\]+$")
]
"""The name of an exchange. Kombu reads blanks and globs in the names of channels as patterns."""
FanoutPrefix = Annotated[str, StringConstraints(max_length=253, pattern=r"^(/[^\s*?\[\]\\.]*\.)?$")]
"""Kombu cuts off what stands between a slash and the first dot. With a prefix of another form its
own workers lose their connection at every broadcast."""


class SpecPart(BaseModel):
    """What the parts of a spec have in common."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class ScaleTargetRef(SpecPart):
    """What runs the workers: anything in the same namespace that has a `/scale`."""

    api_version: ApiVersion = Field("apps/v1", description="API group and version of the target.")
    kind: KindName = Field("Deployment", description="Kind of the target, as in its manifest.")
    name: ObjectName = Field(description="Name of the target.")


class SecretKeyRef(SpecPart):
    """A key of a Secret in the same namespace."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: SecretDataKey = Field("url", description="Key in the Secret that holds the broker URL.")


class SentinelSpec(SpecPart):
    """How the Sentinels themselves are entered. What their master asks for is in the URL."""

    username: str = Field("", max_length=253, description="User of the Sentinels.")
    password_key: str = Field(
        "",
        max_length=253,
        pattern=r"^[-._a-zA-Z0-9]*$",
        description="Key of the Sentinels' password, in the Secret that holds the broker URL.",
    )
    tls: bool = Field(
        default=False,
        description="Use TLS to the Sentinels, with the ssl_* options of the URL.",
    )


class BrokerSpec(SpecPart):
    """Where the queues are. Without it the operator's own CELERY_BROKER_URL is used."""

    secret_key_ref: SecretKeyRef | None = Field(
        None, description="Secret that holds the broker URL (redis, rediss, sentinel)."
    )
    key_prefix: str = Field(
        "",
        max_length=253,
        description="The application's global_keyprefix (broker_transport_options).",
    )
    master_name: str = Field(
        "", max_length=253, description="The master set, where the URL names Sentinels."
    )
    sentinel: SentinelSpec | None = Field(
        None, description="How the Sentinels are entered, where they ask for a password or TLS."
    )
    event_exchange: Exchange | None = Field(
        None,
        description="The application's event_exchange; celeryev, Celery's default, where left out.",
    )
    control_exchange: Exchange | None = Field(
        None,
        description="The application's control_exchange; celery, Celery's default, where left out.",
    )
    fanout_prefix: FanoutPrefix | None = Field(
        None,
        description="The application's fanout_prefix (broker_transport_options): empty where that "
        "is False; /{db}., kombu's default, where left out.",
    )

    @property
    def exchanges(self) -> Exchanges:
        given = {
            "events": self.event_exchange,
            "control": self.control_exchange,
            "fanout_prefix": self.fanout_prefix,
        }
        named = {name: value for name, value in given.items() if value is not None}
        return replace(CELERY_EXCHANGES, **named)
