"""The operator's informer compared with kopf's event handlers, for 1,000 WorkerPools.

A server in a process of its own answers as an API server does. Each client lists the pools, then
follows five changes of each status, as the operator's own writes cause them. Processor time and
memory are those of the client. The figures are in docs/decisions/one-way-to-watch.md.
"""

import asyncio
import json
import logging
import multiprocessing
import resource
import time
import urllib.request
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import kopf
from aiohttp import web

from app.control.pool import spec
from app.operator.kubernetes.apiserver import ApiServer, object_path
from app.operator.kubernetes.credentials import Login
from app.operator.kubernetes.informer import Collection, Informer
from app.operator.resources.pool_cache import PoolCache
from benchmarks.rig import servers

POOLS = 1000
CHANGES = 5
LIST = object_path(spec.API_VERSION, spec.PLURAL, namespace="shop")

Seen = Callable[[int], bool]
"""Whether every pool was seen with this version."""
Measure = Callable[[str, Callable[[Seen], Awaitable[None]]], Awaitable[None]]


def main() -> None:
    spawn = multiprocessing.get_context("spawn")
    print("| client | processor time, list | processor time, changes | memory |")
    print("|---|---|---|---|")
    for name, watch in (
        ("kopf `on.event`", _watch_with_kopf),
        ("`Informer`", _watch_with_informer),
    ):
        ours, theirs = spawn.Pipe()
        server = spawn.Process(target=_serve, args=(theirs,), daemon=True)
        server.start()
        url = ours.recv()
        client = spawn.Process(target=_measure, args=(theirs, url, watch), daemon=True)
        client.start()
        list_s, changes_s, mib = ours.recv()
        print(f"| {name} | {list_s:.2f} s | {changes_s:.2f} s | {mib:.0f} MiB |")
        for process in (client, server):
            process.kill()
            process.join()


def _measure(results: Connection, url: str, watch: Measure) -> None:
    """Runs in the client's process: follow the list, then all changes."""
    logging.getLogger("kopf").setLevel(logging.ERROR)

    async def follow(is_seen: Seen) -> None:
        started_s = time.process_time()
        await asyncio.to_thread(servers.wait_for, lambda: is_seen(0), what="the list")
        listed_s = time.process_time()
        await asyncio.to_thread(urllib.request.urlopen, f"{url}/changes", b"")
        await asyncio.to_thread(servers.wait_for, lambda: is_seen(CHANGES), what="the changes")
        ended_s = time.process_time()
        mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        results.send((listed_s - started_s, ended_s - listed_s, mib))

    asyncio.run(watch(url, follow))


async def _watch_with_kopf(url: str, follow: Callable[[Seen], Awaitable[None]]) -> None:
    versions: dict[str, int] = {}
    registry, stop = kopf.OperatorRegistry(), asyncio.Event()

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=url)

    @kopf.on.event(spec.GROUP, spec.VERSION, spec.PLURAL, registry=registry)
    async def observe(body: kopf.Body, **_: Any) -> None:
        versions[body["metadata"]["uid"]] = int(body["metadata"]["resourceVersion"])

    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    operator = kopf.operator(
        registry=registry, settings=settings, namespaces=["shop"], stop_flag=stop
    )
    running = asyncio.create_task(operator)
    await follow(lambda version: len(versions) == POOLS and min([*versions.values()]) >= version)
    running.cancel()


async def _watch_with_informer(url: str, follow: Callable[[Seen], Awaitable[None]]) -> None:
    cache = PoolCache()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_text(json.dumps(_kubeconfig(url)))
        async with ApiServer(Login(service_account=None, kubeconfigs=(path,))) as server:
            collection = Collection(name=spec.PLURAL, path=LIST)
            informer = Informer(server, collection, cache, clock=time.monotonic)
            running = asyncio.create_task(informer.run())
            await follow(lambda version: _oldest_version(cache) >= version)
            running.cancel()


def _oldest_version(cache: PoolCache) -> int:
    stored = [cache.stored_status(pool.uid) for pool in cache.current()]
    versions = [int(each.version) for each in stored if each is not None]
    return min(versions) if len(versions) == POOLS else -1


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": url}}],
        "users": [{"name": "x", "user": {}}],
    }


def _serve(results: Connection) -> None:
    asyncio.run(_serve_pools(results))


async def _serve_pools(results: Connection) -> None:
    changing = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/changes":
            changing.set()
            return web.json_response({})
        if request.path != LIST:
            return web.json_response(_discovery(request.path))
        if "watch" in request.query:
            return await _stream(request, changing)
        items = [_pool(number, version=0) for number in range(POOLS)]
        return web.json_response({"metadata": {"resourceVersion": "0"}, "items": items})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    results.send(f"http://{host}:{port}")
    await asyncio.Event().wait()


async def _stream(request: web.Request, changing: asyncio.Event) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await changing.wait()
    for version in range(1, CHANGES + 1):
        for number in range(POOLS):
            event = {"type": "MODIFIED", "object": _pool(number, version=version)}
            await response.write(json.dumps(event).encode() + b"\n")
    await asyncio.Event().wait()
    return response


def _pool(number: int, *, version: int) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True", "reason": "Reconciled", "message": "x" * 100}
    return {
        "apiVersion": spec.API_VERSION,
        "kind": spec.KIND,
        "metadata": {
            "namespace": "shop",
            "name": f"pool-{number}",
            "uid": f"uid-{number}",
            "generation": 1,
            "resourceVersion": str(version),
            "creationTimestamp": "2026-03-01T12:00:00Z",
        },
        "spec": {"scaleTargetRef": {"name": f"worker-{number}"}, "queues": [f"queue-{number}"]},
        "status": {"replicas": version, "conditions": [condition] * 4},
    }


def _discovery(path: str) -> dict[str, Any]:
    """What kopf asks before it watches: which kinds there are."""
    groups = [(spec.GROUP, spec.VERSION), ("apiextensions.k8s.io", "v1")]
    kinds = {
        "/api/v1": ("namespaces", "Namespace", False),
        f"/apis/{spec.API_VERSION}": (spec.PLURAL, spec.KIND, True),
        "/apis/apiextensions.k8s.io/v1": (
            *("customresourcedefinitions", "CustomResourceDefinition", False),
        ),
    }
    if path in kinds:
        plural, kind, is_namespaced = kinds[path]
        verbs = ["list", "watch", "patch"]
        return {
            "resources": [
                {
                    "name": plural,
                    "singularName": kind.lower(),
                    "kind": kind,
                    "namespaced": is_namespaced,
                    "verbs": verbs,
                }
            ]
        }
    return {
        "versions": ["v1"],
        "groups": [
            {"name": name, "versions": [{"version": each}], "preferredVersion": {"version": each}}
            for name, each in groups
        ],
    }


if __name__ == "__main__":
    main()
