"""Applications of the oldest and the newest tested release of Celery, whatever they speak."""

import pytest

from tests.integration.conftest import StartShop
from tests.tools import celery_versions
from tests.waiting import eventually

BOTH = pytest.mark.parametrize("version", [celery_versions.OLDEST, celery_versions.NEWEST])


@BOTH
def test_a_worker_of_another_release_runs_what_is_sent_to_it(
    version: str, start_shop: StartShop
) -> None:
    shop = start_shop(version)
    worker = shop.worker("one")

    shop.send("nap", 7, 0.01)

    eventually(lambda: shop.records("end"), why="the task ends")
    assert [record.number for record in shop.records("end")] == [7]
    assert f" v{version} " in worker.log
