"""Brokers are found by their Secrets, shared by pools, and follow a rotated password."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.control.pool import worker_pool as pools
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.worker_pool import PoolKey, WorkerPool
from app.errors import BrokerUnreachable
from app.operator.resources import secrets
from app.operator.resources.broker_links import KubernetesBrokers
from app.operator.resources.secrets import Secrets
from tests.integration.operator.objects import Objects
from tests.integration.operator.serving import serving

PATH = "/api/v1/namespaces/shop/secrets/broker"
NOWHERE = "redis://127.0.0.1:1/0"
OWN = SecretStr("redis://127.0.0.1:1/5")


def secret(url: str | None, *, key: str = "url") -> dict[str, Any]:
    return {"data": {} if url is None else {key: base64.b64encode(url.encode()).decode()}}


def pool(name: str = "mail", *, broker: dict[str, Any] | None = None) -> WorkerPool:
    spec: dict[str, Any] = {"scaleTargetRef": {"name": "x"}, "queues": ["q"]}
    reference = {"secretKeyRef": {"name": "broker"}} if broker is None else broker
    return WorkerPool(
        key=PoolKey("shop", name), spec=pools.parse_spec(spec | {"broker": reference})
    )


@dataclass(slots=True)
class Scene:
    objects: Objects
    brokers: KubernetesBrokers
    now_s: float = 0.0


@asynccontextmanager
async def scene(account: Path, *, own: SecretStr | None = OWN) -> AsyncIterator[Scene]:
    objects = Objects({PATH: secret(NOWHERE)})
    async with serving(objects.handle, account) as server:
        made: list[Scene] = []

        def clock() -> float:
            return made[0].now_s

        brokers = KubernetesBrokers(Secrets(server, clock=clock), own_url=own, clock=clock)
        made.append(Scene(objects, brokers))
        yield made[0]
        await brokers.close()


def play(account: Path, act: Callable[[Scene], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        async with scene(account, **options) as made:
            await act(made)

    asyncio.run(run())


def test_pools_of_one_broker_share_a_connection_and_one_reading(account: Path) -> None:
    async def act(scene: Scene) -> None:
        found = await asyncio.gather(*(scene.brokers.find(pool(str(n))) for n in range(20)))
        assert len({id(each) for each in found}) == 1
        assert scene.objects.count(PATH) == 1

    play(account, act)


def test_a_prefix_makes_another_broker(account: Path) -> None:
    async def act(scene: Scene) -> None:
        reference = {"secretKeyRef": {"name": "broker"}, "keyPrefix": "a-"}
        plain, prefixed = (
            await scene.brokers.find(pool()),
            await scene.brokers.find(pool(broker=reference)),
        )
        assert (plain.key, prefixed.key) == ("127.0.0.1:1/0", "127.0.0.1:1/0 a-")

    play(account, act)


def test_a_pool_without_a_secret_uses_the_operators_own_broker(account: Path) -> None:
    async def act(scene: Scene) -> None:
        assert (await scene.brokers.find(pool(broker={}))).key == "127.0.0.1:1/5"

    play(account, act)


def test_keys_hold_no_password_and_still_differ(account: Path) -> None:
    async def act(scene: Scene) -> None:
        keys = []
        for password in ("first", "second"):
            scene.objects.documents[PATH] = secret(f"redis://me:{password}@127.0.0.1:1/0")
            scene.now_s += secrets.KEPT_S
            keys.append((await scene.brokers.find(pool())).key)
        assert keys == ["me@127.0.0.1:1/0", "me@127.0.0.1:1/0 (2)"]

    play(account, act)


def test_a_rotated_secret_is_noticed_sooner_when_its_broker_fails(account: Path) -> None:
    async def act(scene: Scene) -> None:
        before = await scene.brokers.find(pool())
        scene.objects.documents[PATH] = secret("redis://127.0.0.1:2/0")
        scene.now_s += secrets.SUSPECT_KEPT_S
        assert (await scene.brokers.find(pool())) is before
        with pytest.raises(BrokerUnreachable):
            await before.queues.read(())
        assert (await scene.brokers.find(pool())).key == "127.0.0.1:2/0"
        # The one before is closed: it would go on logging in with a password that is wrong.
        scene.objects.documents[PATH] = secret(NOWHERE)
        scene.now_s += secrets.KEPT_S
        assert (await scene.brokers.find(pool())) is not before

    play(account, act)


def test_a_password_of_sentinels_is_a_key_of_the_same_secret(account: Path) -> None:
    reference = {
        "secretKeyRef": {"name": "broker"},
        "masterName": "main",
        "sentinel": {"username": "guard", "passwordKey": "guards"},
    }

    async def act(scene: Scene) -> None:
        keys = []
        for password in ("first", "second"):
            data = {"url": "sentinel://:m@127.0.0.1:1/3", "guards": password}
            encoded = {
                name: base64.b64encode(text.encode()).decode() for name, text in data.items()
            }
            scene.objects.documents[PATH] = {"data": encoded}
            scene.now_s += secrets.KEPT_S
            keys.append((await scene.brokers.find(pool(broker=reference))).key)
        assert keys == ["127.0.0.1:1 (master main)/3", "127.0.0.1:1 (master main)/3 (2)"]
        scene.objects.documents[PATH] = secret("sentinel://127.0.0.1:1")
        scene.now_s += secrets.KEPT_S
        with pytest.raises(PoolProblem, match="no text under key 'guards'"):
            await scene.brokers.find(pool(broker=reference))

    play(account, act)


@pytest.mark.parametrize(
    ("document", "want"),
    [
        pytest.param(None, "there is no Secret shop/broker: create it", id="no secret"),
        pytest.param(secret(NOWHERE, key="uri"), "no text under key 'url'", id="no such key"),
        pytest.param(secret(""), "no text under key 'url'", id="an empty value"),
        pytest.param(secret("amqp://x"), "is not a broker URL", id="not a Redis"),
        pytest.param({"data": {"url": "%"}}, "no text under key 'url'", id="not base64"),
    ],
)
def test_an_unknown_broker_says_what_to_do(
    account: Path, document: dict[str, Any] | None, want: str
) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.documents = {} if document is None else {PATH: document}
        with pytest.raises(PoolProblem, match=want) as raised:
            await scene.brokers.find(pool())
        assert raised.value.reason is ProblemReason.BROKER_UNKNOWN

    play(account, act)


def test_a_missing_secret_is_looked_for_again_but_not_each_time(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.documents = {}
        for _ in range(3):
            with pytest.raises(PoolProblem):
                await scene.brokers.find(pool())
        assert scene.objects.count(PATH) == 1
        scene.objects.documents = {PATH: secret(NOWHERE)}
        scene.now_s += secrets.SUSPECT_KEPT_S
        assert (await scene.brokers.find(pool())).key == "127.0.0.1:1/0"

    play(account, act)


def test_a_forbidden_secret_names_the_missing_right(account: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.objects.failing = {"GET": 403}
        with pytest.raises(PoolProblem, match="allow it in a Role"):
            await scene.brokers.find(pool())

    play(account, act)


def test_an_absent_api_server_leaves_the_known_url_in_use(account: Path) -> None:
    async def act(scene: Scene) -> None:
        before = await scene.brokers.find(pool())
        scene.objects.failing = {"GET": 503}
        scene.now_s += secrets.KEPT_S
        assert (await scene.brokers.find(pool())) is before

    play(account, act)


def test_an_operator_without_a_broker_of_its_own_says_so(account: Path) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(PoolProblem, match=r"set spec\.broker\.secretKeyRef"):
            await scene.brokers.find(pool(broker={}))

    play(account, act, own=None)
