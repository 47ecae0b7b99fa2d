"""The worker pools that a loop has posted."""

from fastapi import APIRouter

from app.api.services import ServicesParam
from app.api.views import Listing, PoolView
from app.control.report import pool_snapshot as board

router = APIRouter(tags=["pools"])


@router.get("/pools")
async def list_pools(services: ServicesParam) -> Listing[PoolView]:
    """The pools of this platform, their sizes and why they have them. Empty where nothing posts:
    in Kubernetes the WorkerPool objects tell."""
    async with services.broker.asking() as client:
        posted = await client.get(board.KEY)
    pools = board.parse_text(posted).pools if posted is not None else {}
    return Listing(items=tuple(PoolView.of(name, pools[name]) for name in sorted(pools)))
