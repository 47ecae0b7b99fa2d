"""What Prometheus scrapes."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.responses import Response

from app.api import metrics
from app.api.services import ServicesParam
from app.telemetry import scraping

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
async def scrape(services: ServicesParam) -> Response:
    """Requests of this process; jobs of the platform; pools where they are processes of a machine.
    No part of the API for clients, so not of its schema either."""
    of_jobs = await services.job_counts.families()
    of_pools = tuple(await metrics.of_local_pools(services.broker))
    registry = CollectorRegistry()
    registry.register(scraping.Collected(lambda: (*of_jobs, *of_pools)))
    text = generate_latest(services.metrics.registry) + generate_latest(registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
