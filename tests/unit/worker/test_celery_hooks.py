"""When a worker counts as alive."""

import pytest

from app.worker import celery_hooks


@pytest.mark.parametrize(
    ("age_s", "connection", "want"),
    [
        pytest.param(1, "up", "alive", id="its loop turns"),
        pytest.param(61, "up", "stuck", id="its loop stands still"),
        pytest.param(3600, "away", "alive", id="its broker is away"),
    ],
)
def test_a_worker_is_alive_while_its_loop_turns(age_s: float, connection: str, want: str) -> None:
    found = celery_hooks.is_alive(loop_age_s=age_s, is_connected=connection == "up")

    assert found is (want == "alive")
