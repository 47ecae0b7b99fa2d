"""Malformed messages are refused one by one, and the worker goes on."""

from pathlib import Path
from typing import Any

import pytest

from app.jobs.model.job import JobState
from app.jobs.publish import refusals
from app.jobs.publish.refusals import MessageRefusal
from tests.integration import running_platform
from tests.integration.jobs.conftest import PROBE, PROBES
from tests.integration.jobs.malformed import MALFORMED, MARK
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually

GOOD_EVERY = 20
"""A good job stands in the queue after so many malformed messages."""


def refused(running: RunningPlatform) -> dict[str, int]:
    """How many messages were refused, by reason."""
    found: Any = running.platform.redis.hgetall(refusals.COUNTS_KEY)  # sync or async
    return {reason.decode(): int(count) for reason, count in found.items()}


@pytest.mark.parametrize("pool", ["threads", "prefork", "solo"])
def test_a_worker_survives_every_malformed_message(
    environment: dict[str, str], tmp_path: Path, pool: str
) -> None:
    with running_platform.opened(environment, tmp_path, registry=PROBES, app=PROBE) as running:
        redis = running.platform.redis
        good = []
        for number, message in enumerate(MALFORMED.values()):
            redis.lpush("download", message)
            if number % GOOD_EVERY == 0:
                good.append(running.submit("probe"))
        worker = running.worker(pool=pool)
        eventually(
            lambda: refused(running) == {MessageRefusal.MALFORMED: len(MALFORMED)},
            why=f"all {len(MALFORMED)} are refused: {refused(running)}",
        )

        # More than the worker has slots: none of them has leaked.
        good += [running.submit("probe") for _ in range(5)]

        states = {running.ended(job_id).state for job_id in good}
        assert states == {JobState.SUCCEEDED}
        assert worker.is_running
        assert MARK not in worker.log
        assert worker.log.count("a message is refused") == len(MALFORMED)
        assert "Traceback" not in worker.log
        eventually(lambda: redis.zcard("unacked_index") == 0, why="nothing is left unacknowledged")
