"""Which kinds of job there are."""

from fastapi import APIRouter

from app.api.views import Listing, PipelineView
from app.jobs.model.pipeline import Registry


def routes(registry: Registry) -> APIRouter:
    """The registry does not change while a process lives: its schemas are made once."""
    router = APIRouter(tags=["pipelines"])
    known = Listing[PipelineView](items=tuple(map(PipelineView.of, registry.values())))

    @router.get("/pipelines")
    async def list_pipelines() -> Listing[PipelineView]:
        """The kinds of job, with the JSON schema of their parameters."""
        return known

    return router
