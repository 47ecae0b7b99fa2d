"""Where the API listens, and where its clients find it."""

from pathlib import Path

from pydantic import Field, SecretStr

from app.settings.group import Group, Names


class ApiSettings(Group):
    """Where the API listens, and where its clients find it."""

    host: str = Field(
        "127.0.0.1", validation_alias="CELERIAC_HOST", description="Address to listen on."
    )
    port: int = Field(
        8000, validation_alias="CELERIAC_PORT", description="Port to listen on.", ge=0, le=65535
    )
    url: str = Field(
        "http://127.0.0.1:8000",
        validation_alias="CELERIAC_URL",
        description="The API that the command line talks to.",
    )
    is_insecure: bool = Field(
        default=False,
        validation_alias="CELERIAC_INSECURE",
        description="Require no API key from other machines, because something else protects "
        "the API.",
    )
    hosts: Names = Field(
        (),
        validation_alias="CELERIAC_API_HOSTS",
        description="Host names, separated by commas, that requests may carry besides those "
        "of the loopback, for a proxy on this machine.",
    )
    guards_loopback: bool = Field(
        default=False,
        validation_alias="CELERIAC_GUARD_LOOPBACK",
        description="Require an API key for requests from this machine too.",
    )
    admin_key: SecretStr | None = Field(
        None,
        validation_alias="CELERIAC_ADMIN_KEY",
        min_length=32,
        description="An API key of scope `admin`, to create the first keys with. At least 32 "
        "random characters.",
    )
    metrics_key: SecretStr | None = Field(
        None,
        validation_alias="CELERIAC_METRICS_KEY",
        min_length=32,
        description="An API key of scope `read`, for Prometheus. At least 32 random characters.",
    )
    oidc_issuer: str | None = Field(
        None,
        validation_alias="CELERIAC_OIDC_ISSUER",
        pattern=r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/]).+",
        description="URL of an OpenID Connect provider whose bearer tokens the API accepts beside "
        "API keys. `https`, except on this machine.",
    )
    oidc_audience: str = Field(
        "celeriac",
        validation_alias="CELERIAC_OIDC_AUDIENCE",
        description="The audience (`aud`) that its tokens must name.",
    )
    oidc_groups: str = Field(
        "",
        validation_alias="CELERIAC_OIDC_GROUPS",
        description="The scope of each group of its users, as `group=scope` separated by commas. "
        "Members of no such group are refused.",
    )
    oidc_groups_claim: str = Field(
        "groups",
        validation_alias="CELERIAC_OIDC_GROUPS_CLAIM",
        description="The claim that lists the groups.",
    )
    oidc_owner_claim: str = Field(
        "sub",
        validation_alias="CELERIAC_OIDC_OWNER_CLAIM",
        description="The claim that names the owner of what a request creates: `sub` for each "
        "person, or one that names a tenant.",
    )
    leaving_file: Path | None = Field(
        None,
        validation_alias="CELERIAC_LEAVING_FILE",
        description="While this file exists, the API closes each connection after its "
        "response, so that clients move to another replica before this one stops.",
    )
