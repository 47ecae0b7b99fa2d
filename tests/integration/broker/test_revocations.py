"""Revoked tasks stay revoked for workers that start later, of every tested release of Celery."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from app.broker.connections.address import parse_address
from app.broker.link import Link
from app.local import state_files
from tests.integration.broker.test_link import documented_commands
from tests.integration.conftest import StartShop
from tests.integration.foreign_application import ForeignApplication
from tests.tools import celery_versions
from tests.waiting import eventually, eventually_async

EACH = pytest.mark.parametrize("version", celery_versions.VERSIONS)


@asynccontextmanager
async def watching(
    shop: ForeignApplication, *, url: str | None = None, prefix: str = ""
) -> AsyncIterator[Link]:
    address = parse_address(url or shop.url)
    link = Link(address, key_prefix=prefix, clock=time.time, has_revocations=True)
    link.open()
    try:
        yield link
    finally:
        await link.close()


async def revoke(shop: ForeignApplication, link: Link, *task_ids: str) -> None:
    """Revoke tasks, again until it is heard: the link may not be subscribed yet."""
    with shop.client() as client:

        def is_heard() -> bool:
            client.control.revoke(list(task_ids))
            return set(task_ids) <= set(link.revocations.current())

        await eventually_async(is_heard, why="the revoke is heard")


def run_both(shop: ForeignApplication) -> None:
    """Publish a revoked task and one that is not, and wait for the latter, which comes last."""
    shop.send("nap", 1, 0, task_id="revoked")
    shop.send("nap", 2, 0, task_id="welcome")
    eventually(lambda: shop.records("end"), why="the task that is not revoked ends")
    assert [record.number for record in shop.records("begin")] == [2]


@EACH
def test_a_worker_that_asks_others_when_it_starts_is_answered(
    version: str, start_shop: StartShop
) -> None:
    shop = start_shop(version)

    async def scenario() -> None:
        async with watching(shop) as link:
            await revoke(shop, link, "revoked", "other")
            await asyncio.to_thread(shop.worker, "one", mingles=True)

    asyncio.run(scenario())
    run_both(shop)  # nobody tells it any more: it knew before it was ready


@pytest.mark.parametrize("version", [celery_versions.OLDEST, celery_versions.NEWEST])
def test_a_worker_is_answered_in_the_serializer_that_it_accepts(
    version: str, start_shop: StartShop
) -> None:
    conf = {"task_serializer": "pickle", "accept_content": ["pickle"]}
    shop = start_shop(version, conf=conf)

    async def scenario() -> None:
        async with watching(shop) as link:
            await revoke(shop, link, "revoked", "other")
            await asyncio.to_thread(shop.worker, "one", mingles=True)

    asyncio.run(scenario())
    run_both(shop)


def test_a_user_with_the_documented_rights_answers_under_a_key_prefix(
    start_shop: StartShop,
) -> None:
    prefix = "shop:"
    shop = start_shop(
        celery_versions.NEWEST, conf={"broker_transport_options": {"global_keyprefix": prefix}}
    )
    with redis.Redis.from_url(shop.url) as admin:
        rights = ("on", ">secret", f"~{prefix}*", f"&{prefix}*", *documented_commands())
        admin.execute_command("ACL", "SETUSER", "operator", *rights)

    async def scenario() -> None:
        url = shop.url.replace("://", "://operator:secret@")
        async with watching(shop, url=url, prefix=prefix) as link:
            await revoke(shop, link, "revoked")
            await asyncio.to_thread(shop.worker, "one", mingles=True)

    asyncio.run(scenario())
    run_both(shop)
    with redis.Redis.from_url(shop.url) as admin:
        admin.execute_command("ACL", "DELUSER", "operator")


@EACH
def test_a_worker_that_asks_nobody_is_told_once_it_is_heard(
    version: str, start_shop: StartShop
) -> None:
    shop = start_shop(version)

    async def scenario() -> None:
        async with watching(shop) as link:
            await revoke(shop, link, "revoked")
            await asyncio.to_thread(shop.worker, "one")
            with shop.client() as client:
                inspect = client.control.inspect(destination=["one@shop"], timeout=1)
                told = {"one@shop": ["revoked"]}
                await eventually_async(lambda: inspect.revoked() == told, why="it is told")

    asyncio.run(scenario())
    run_both(shop)


@EACH
def test_a_worker_takes_revoked_tasks_from_its_state_file(
    version: str, start_shop: StartShop, tmp_path: Path
) -> None:
    shop = start_shop(version)
    path = tmp_path / "state" / "one"
    state_files.write_worker_state(path, ["revoked", "other"])

    worker = shop.worker("one", arguments=("--statedb", str(path)))

    run_both(shop)
    assert worker.stop() == 0
    state_files.remove_worker_state(path)
    assert list(path.parent.iterdir()) == []
