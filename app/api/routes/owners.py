"""Owners of jobs and data: how much each has, and its limits."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from app.api.services import PrincipalParam, Services, ServicesParam
from app.api.views import Listing
from app.settings import OwnerLimits
from app.storage import audit_log

router = APIRouter(tags=["access"])


class OwnerView(BaseModel):
    """How much an owner has."""

    model_config = ConfigDict(from_attributes=True)

    owner: str = Field(description="Empty for what was made where no key is needed.")
    jobs: int
    unfinished_jobs: int
    uploads: int
    sources: int
    notifications: int
    bytes: int = Field(description="Of uploads and artifacts.")


@router.get("/owners")
def list_owners(services: ServicesParam) -> Listing[OwnerView]:
    """List all owners with how much they have. A job `erase-owner` erases it."""
    found = services.stores.owned_data.owners()
    return Listing(items=tuple(map(OwnerView.model_validate, found)))


class LimitView(BaseModel):
    """One limit, and how much of it is used."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    limit: int | None = Field(description="Null where nothing limits it.")
    used: int = Field(description="Within the present window, for limits by minute or day.")
    resets_in_s: float | None = Field(
        description="Seconds until the window ends. Null without a window."
    )


class LimitsView(BaseModel):
    """The limits of an owner."""

    owner: str
    weight: float = Field(description="Share of each queue relative to that of other owners.")
    is_default: bool = Field(description="Whether they are those of the server.")
    limits: tuple[LimitView, ...]


OwnerParam = Annotated[
    str, Path(min_length=1, max_length=200, description="The owner, as in an API key.")
]


@router.get("/limits")
def show_own_limits(services: ServicesParam, principal: PrincipalParam) -> LimitsView:
    """Show the limits of the owner of this request, and their use."""
    return _view(services, principal.owner)


@router.get("/owners/{owner}/limits")
def show_limits(owner: OwnerParam, services: ServicesParam) -> LimitsView:
    """Show the limits of an owner, and their use."""
    return _view(services, owner)


@router.put("/owners/{owner}/limits")
def set_limits(owner: OwnerParam, body: OwnerLimits, services: ServicesParam) -> LimitsView:
    """Replace the limits of an owner at once; other processes follow within two seconds. What is
    left out is not limited."""
    services.quotas.limits.set(owner, body)
    audit_log.current().describe(subject=owner, detail=body.model_dump_json(exclude_unset=True))
    return _view(services, owner)


@router.delete("/owners/{owner}/limits")
def reset_limits(owner: OwnerParam, services: ServicesParam) -> LimitsView:
    """Give an owner the limits of the server again."""
    services.quotas.limits.reset(owner)
    audit_log.current().describe(subject=owner)
    return _view(services, owner)


def _view(services: Services, owner: str) -> LimitsView:
    quotas = services.quotas
    return LimitsView(
        owner=owner,
        weight=quotas.limits.of(owner).weight,
        is_default=owner not in quotas.limits.own(),
        limits=tuple(map(LimitView.model_validate, quotas.uses(owner))),
    )
