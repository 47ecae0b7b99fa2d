"""API keys, and the access of a request."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.access.keys import ApiKey
from app.access.principal import AccessScope
from app.api.services import PrincipalParam, ServicesParam
from app.api.views import Listing
from app.pipelines.parameters import NOT_TEXT
from app.storage import audit_log

router = APIRouter(tags=["access"])

DAY_S = 86_400

PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


class NewKey(BaseModel):
    """A new API key."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1, max_length=200, pattern=PRINTABLE, description="What the key is for."
    )
    owner: str = Field(
        "",
        max_length=200,
        pattern=PRINTABLE,
        description="The owner of what is created with the key. Default: the name of the key.",
    )
    scope: AccessScope = Field(
        AccessScope.SUBMIT,
        description="`read`, `submit`, `maintain` or `admin`; each includes those before it.",
    )
    expires_in_s: Annotated[int, Field(ge=1, le=10 * 365 * DAY_S), NOT_TEXT] | None = Field(
        None, description="Seconds until it expires. Default: never."
    )


class KeyView(BaseModel):
    """An API key, without its secret."""

    id: str
    name: str
    owner: str
    scope: AccessScope
    state: str = Field(description="`active`, `expired` or `revoked`.")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="Accurate to a minute.")

    @classmethod
    def of(cls, key: ApiKey, *, now: datetime) -> Self:
        valid = "active" if key.is_valid(now=now) else "expired"
        return cls(
            id=key.id,
            name=key.name,
            owner=key.owner,
            scope=key.scope,
            state="revoked" if key.revoked_at is not None else valid,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
        )


class CreatedKey(KeyView):
    """A new API key with its secret, which is shown only once."""

    key: str = ""


class AccessView(BaseModel):
    """The access of a request."""

    owner: str
    scope: AccessScope
    key_id: str | None = Field(description="Null for a request without a key.")


@router.get("/access")
async def show_access(principal: PrincipalParam) -> AccessView:
    """Show the owner and the scope of this request."""
    return AccessView(owner=principal.owner, scope=principal.scope, key_id=principal.key_id)


@router.get("/keys")
def list_keys(services: ServicesParam) -> Listing[KeyView]:
    """List API keys, newest first."""
    now = datetime.now(UTC)
    return Listing(items=tuple(KeyView.of(key, now=now) for key in services.keys.list()))


@router.post("/keys", status_code=201)
def create_key(body: NewKey, services: ServicesParam) -> CreatedKey:
    """Create an API key. The response contains the key itself, which is shown only once."""
    now = datetime.now(UTC)
    lifetime_s = body.expires_in_s
    key, token = services.keys.create(
        name=body.name,
        owner=body.owner or body.name,
        scope=body.scope,
        expires_at=None if lifetime_s is None else now + timedelta(seconds=lifetime_s),
        now=now,
    )
    audit_log.current().describe(subject=key.id, detail=f"{key.scope} for {key.owner}")
    return CreatedKey.of(key, now=now).model_copy(update={"key": str(token)})


@router.post("/keys/{key_id}:revoke")
def revoke_key(key_id: str, services: ServicesParam) -> KeyView:
    """Revoke a key at once; other API processes follow within two seconds."""
    now = datetime.now(UTC)
    revoked = services.keys.revoke(key_id, now=now)
    services.authenticator.forget(key_id)
    return KeyView.of(revoked, now=now)
