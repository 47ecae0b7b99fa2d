"""An operator whose Role is taken away says so, and is not ready until it has it back."""

import json
from typing import Any

import httpx2

from tests import waiting
from tests.cluster.pools import manifests, operators
from tests.cluster.pools.conftest import PoolNamespace


def lines(site: PoolNamespace, message: str) -> list[dict[str, Any]]:
    """The lines of the operator's log with this message."""
    found = [json.loads(line) for line in site.operator.log.splitlines() if line.startswith("{")]
    return [line for line in found if line["message"] == message]


def readiness(site: PoolNamespace) -> tuple[int, list[str]]:
    answer = httpx2.get(f"http://127.0.0.1:{site.operator.health_port}/readyz", timeout=10)
    return answer.status_code, answer.json()["problems"]


def test_a_role_that_is_taken_away_is_told_and_the_operator_is_not_ready(
    site: PoolNamespace,
) -> None:
    waiting.eventually(lambda: readiness(site) == (200, []), why="it is ready")
    role = site.kubectl.get(f"role/{operators.ACCOUNT}")
    site.kubectl.patch(f"role/{operators.ACCOUNT}", {"rules": []})
    # The API server ends a watch after 50 s; what begins then is refused.
    found = waiting.eventually(
        lambda: readiness(site)[1], within_s=120, why="a right that is missing is noticed"
    )
    assert readiness(site)[0] == 503
    waiting.eventually(
        lambda: all(
            any(kind in problem for problem in readiness(site)[1])
            for kind in ("workerpools", "deployments", "pods")
        ),
        within_s=120,
        why="every list that is refused is named",
    )
    assert found
    [told, *more] = lines(site, "operator is not ready")
    assert told["level"] == "error"
    assert "may not" in told["why"] or "needs" in told["why"]
    assert len(more) < 10
    site.kubectl.patch(f"role/{operators.ACCOUNT}", {"rules": role["rules"]})
    waiting.eventually(lambda: readiness(site) == (200, []), within_s=60, why="it is ready again")
    site.deploy_workers("allowed")
    site.kubectl.apply(manifests.build_pool("allowed", minReplicas=1))
    site.await_condition("allowed", "Ready", is_so="True")
    assert site.operator.is_running
    assert "/readyz" not in site.operator.log
