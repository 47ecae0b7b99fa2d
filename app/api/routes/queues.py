"""What the queues hold."""

import time

from fastapi import APIRouter

from app import queues
from app.api.services import ServicesParam
from app.api.views import Listing, QueueView

router = APIRouter(tags=["queues"])


@router.get("/queues")
async def list_queues(services: ServicesParam) -> Listing[QueueView]:
    """The declared queues and what they hold in truth: ready over every priority, fetched by
    workers, waiting for their time."""
    names = [queue.name for queue in queues.QUEUES]
    readings = await services.depth.read(names, now_s=time.time(), horizon_s=0.0)
    return Listing(
        items=tuple(QueueView.of(queue, readings[queue.name]) for queue in queues.QUEUES)
    )
