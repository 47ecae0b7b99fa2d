"""A small HTTP server that answers as a Kubernetes API server does, where a test says so."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from app.operator.kubernetes.apiserver import ApiServer
from app.operator.kubernetes.credentials import Login
from app.operator.kubernetes.responses import OnWrite

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(
    handler: Handler,
    account: Path,
    *,
    timeout_s: float = 5,
    on_write: OnWrite = lambda resource, outcome: None,
) -> AsyncIterator[ApiServer]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": f"http://{host}:{port}/prefix"}}],
        "users": [{"name": "x", "user": {"tokenFile": "token"}}],
    }
    path = account / "config"
    path.write_text(json.dumps(config))
    try:
        login = Login(service_account=None, kubeconfigs=(path,))
        async with ApiServer(login, timeout_s=timeout_s, on_write=on_write) as server:
            yield server
    finally:
        await runner.cleanup()
