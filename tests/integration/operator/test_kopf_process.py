"""The operator's process ends when its work fails, so that Kubernetes restarts it."""

import asyncio
import os
import sys
from pathlib import Path

from aiohttp import web

from tests import waiting
from tests.integration.operator.serving import serving
from tests.integration.processes import Process


async def _malformed_cluster(request: web.Request) -> web.Response:
    """A cluster with a WorkerPool kind, whose lists are not lists."""
    return web.json_response({"groups": [], "resources": [], "versions": []})


def test_an_unexpected_error_ends_the_process(account: Path) -> None:
    async def scenario() -> str:
        async with serving(_malformed_cluster, account):
            process = Process(
                [sys.executable, "-m", "app", "operator", "--namespace", "shop"],
                environment={**os.environ, "KUBECONFIG": str(account / "config")},
                log=account / "operator.log",
            )
            try:
                await waiting.eventually_async(lambda: not process.is_running, within_s=90)
                assert process.exit_code == 1
            finally:
                process.kill()
        return (account / "operator.log").read_text()

    assert "KeyError: 'metadata'" in asyncio.run(scenario())
