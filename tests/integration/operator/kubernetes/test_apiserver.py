"""The client of the Kubernetes API against a small HTTP server that answers as one does."""

import asyncio
import re
from pathlib import Path

import pytest
from aiohttp import web

from app import errors
from app.operator.kubernetes.apiserver import Patch
from app.operator.kubernetes.responses import WriteOutcome
from tests.integration.operator.serving import serving


def test_paths_start_at_the_servers_own_prefix(account: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path, "agent": request.headers["User-Agent"]})

    async def scenario() -> None:
        async with serving(handler, account) as server:
            got = await server.get("/api/v1/pods")
        assert got == {"path": "/prefix/api/v1/pods", "agent": "celeriac-operator"}

    asyncio.run(scenario())


def test_a_refused_token_is_read_again_once(account: Path) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        (account / "token").write_text("second")
        is_valid = seen[-1] == "Bearer second"
        return web.json_response({}, status=200 if is_valid else 401)

    async def scenario() -> None:
        async with serving(handler, account) as server:
            await server.get("/api")

    asyncio.run(scenario())
    assert seen == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("status", "want"),
    [
        (400, errors.InvalidInput),
        (401, errors.ApiServerUnreachable),
        (404, errors.NotFound),
        (405, errors.InvalidInput),
        (409, errors.Conflict),
        (410, errors.ApiServerUnreachable),
        (413, errors.InvalidInput),
        (422, errors.InvalidInput),
        (429, errors.RateLimited),
        (500, errors.ApiServerUnreachable),
        (503, errors.ApiServerUnreachable),
    ],
)
def test_each_status_becomes_an_error_of_ours(
    account: Path, status: int, want: type[errors.CeleriacError]
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": "because"}, status=status)

    async def scenario() -> None:
        async with serving(handler, account) as server:
            with pytest.raises(want, match="GET /api"):
                await server.get("/api")

    asyncio.run(scenario())


def refusal(message: str, **details: object) -> dict[str, object]:
    return {"kind": "Status", "message": message, "reason": "x", "details": details}


@pytest.mark.parametrize(
    ("status", "body", "want"),
    [
        pytest.param(
            403,
            refusal(
                'deployments.apps "d" is forbidden: User "system:serviceaccount:shop:operator" '
                'cannot patch resource "deployments/scale" in API group "apps"',
                name="d",
            ),
            (errors.AccessDenied, WriteOutcome.DENIED),
            id="a missing rule",
        ),
        pytest.param(
            403,
            refusal('deployments.apps "d" is forbidden: exceeded quota: small', name="d"),
            (errors.InvalidInput, WriteOutcome.REFUSED),
            id="a quota",
        ),
        pytest.param(
            403,
            refusal('admission webhook "size" denied the request: too large'),
            (errors.InvalidInput, WriteOutcome.REFUSED),
            id="a webhook",
        ),
        pytest.param(
            403,
            {"message": "no"},
            (errors.AccessDenied, WriteOutcome.DENIED),
            id="a proxy in between",
        ),
        pytest.param(
            422,
            refusal("ValidatingAdmissionPolicy 'four' denied request: no more than 4", name="d"),
            (errors.InvalidInput, WriteOutcome.REFUSED),
            id="a policy",
        ),
        pytest.param(
            422,
            refusal("the server rejected our request due to an error in our request"),
            (errors.Conflict, WriteOutcome.CONFLICT),
            id="a failed test of a JSON patch, which names nothing",
        ),
    ],
)
def test_a_refusal_is_told_from_a_lost_race_and_from_a_missing_rule(
    account: Path,
    status: int,
    body: dict[str, object],
    want: tuple[type[errors.CeleriacError], WriteOutcome],
) -> None:
    counted: list[tuple[str, WriteOutcome]] = []

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    async def scenario() -> None:
        counting = serving(handler, account, on_write=lambda *write: counted.append(write))
        async with counting as server:
            with pytest.raises(want[0], match=re.escape(str(body["message"]))):
                await server.patch("/apis/apps/v1/namespaces/shop/deployments/d/scale", {})

    asyncio.run(scenario())
    assert counted == [("scale", want[1])]


def test_a_silent_server_is_unreachable(account: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario() -> None:
        async with serving(handler, account, timeout_s=0.1) as server:
            with pytest.raises(errors.ApiServerUnreachable, match="TimeoutError"):
                await server.get("/api")

    asyncio.run(scenario())


def test_lists_are_read_page_by_page(account: Path) -> None:
    pages = {
        None: {"items": [{"n": 1}], "metadata": {"continue": "next"}},
        "next": {"items": [{"n": 2}], "metadata": {}},
    }

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(pages[request.query.get("continue")])

    async def scenario() -> list[object]:
        async with serving(handler, account) as server:
            return [page["items"] async for page in server.pages("/api/v1/pods")]

    assert asyncio.run(scenario()) == [[{"n": 1}], [{"n": 2}]]


def test_a_patch_says_its_kind(account: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(
            {"type": request.content_type, "manager": request.query["fieldManager"]}
            | {"body": await request.json()}
        )

    async def scenario() -> dict[str, object]:
        async with serving(handler, account) as server:
            return await server.patch(
                "/x", {"a": 1}, kind=Patch.APPLY, params={"fieldManager": "celeriac"}
            )

    want = {"type": "application/apply-patch+yaml", "manager": "celeriac", "body": {"a": 1}}
    assert asyncio.run(scenario()) == want
