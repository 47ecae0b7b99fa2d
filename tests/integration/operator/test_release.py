"""A release that cannot take the Lease."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from app.errors import ApiServerUnreachable
from app.operator import release
from app.operator.kubernetes.credentials import Login
from app.operator.settings import OperatorSettings
from tests.integration.operator.serving import serving


async def _refuse(request: web.Request) -> web.Response:
    return web.json_response({"message": f"no namespace of {request.path}"}, status=404)


def test_a_lease_that_cannot_be_taken_is_told(tmp_path: Path) -> None:
    """As where the name of the namespace is misspelt."""

    (tmp_path / "token").write_text("a token")

    async def scenario() -> None:
        async with serving(_refuse, tmp_path):
            login = Login(service_account=None, kubeconfigs=(tmp_path / "config",))
            await release.run(OperatorSettings(namespaces=("shpo",)), login, within_s=0.5)

    with pytest.raises(ApiServerUnreachable, match=r"Lease could not be taken within 0\.5 s"):
        asyncio.run(scenario())
