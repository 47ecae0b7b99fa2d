"""Which kinds of job there are."""

from fastapi import APIRouter

from app.api.services import ServicesParam
from app.api.views import Listing, PipelineView

router = APIRouter(tags=["pipelines"])


@router.get("/pipelines")
def list_pipelines(services: ServicesParam) -> Listing[PipelineView]:
    """The kinds of job, with the JSON schema of their parameters."""
    found = services.platform.registry.values()
    return Listing(items=tuple(PipelineView.of(pipeline) for pipeline in found))
