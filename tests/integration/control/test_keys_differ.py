"""A pool whose key prefix is not that of the application, in the loop over real workers."""

import asyncio
import time

from app.broker.connections.address import parse_address
from app.broker.link import Link
from app.control.pool.status import ConditionType
from tests.integration.broker.conftest import until
from tests.integration.conftest import StartShop
from tests.integration.control.looping import condition, looped
from tests.integration.control.staged import Operator, Standing, pool_of


def test_a_wrong_key_prefix_is_told_while_workers_consume_under_another_one(
    start_shop: StartShop,
) -> None:
    """Issue 9: its queue reads as empty and the pool seemed healthy."""
    shop = start_shop(conf={"broker_transport_options": {"global_keyprefix": "shop:"}})
    shop.worker("one")
    replicas = Standing.of("one")

    async def scenario(key_prefix: str, *, want: str) -> str:
        """Until the pool says this; returns the message."""
        link = Link(parse_address(shop.url), key_prefix=key_prefix, clock=time.time)
        link.open()
        pool = pool_of("shop", minReplicas=1, pollingIntervalSeconds=1)
        try:
            async with looped(Operator(link=link, replicas=replicas), pool) as reports:

                async def told() -> tuple[str, str]:
                    return condition(reports, ConditionType.METRICS_AVAILABLE)

                return (await until(told, lambda found: found[0] == want))[1]
        finally:
            await link.close()

    message = asyncio.run(scenario("", want="KeysDiffer"))
    assert "the broker has shop with the key prefix 'shop:'" in message
    assert "set broker.keyPrefix" in message

    asyncio.run(scenario("shop:", want="ValidReading"))
