"""Broker URLs from Secrets, cached for a short time and read again when they may be outdated.

The operator only needs `get` on the named Secrets: it lists and watches none.
"""

import asyncio
import base64
import binascii
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from app.control.pool.problems import PoolProblem, ProblemReason
from app.errors import AccessDenied, CeleriacError, NotFound
from app.operator.kubernetes.apiserver import ApiServer, Document, object_path

KEPT_S = 30.0
"""A rotated Secret is noticed within this time."""
SUSPECT_KEPT_S = 5.0
"""The same for a Secret whose broker is unreachable, or that was not usable."""


@dataclass(frozen=True, slots=True, order=True)
class SecretKey:
    """A key of a Secret."""

    namespace: str
    name: str
    key: str

    def __str__(self) -> str:
        return f"key {self.key!r} of Secret {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _CachedValue:
    value: str | None
    problem: str
    read_at_s: float


class Secrets:
    """Values of Secrets, at most `KEPT_S` old."""

    def __init__(self, server: ApiServer, *, clock: Callable[[], float]) -> None:
        self._server = server
        self._clock = clock
        self._found: dict[SecretKey, _CachedValue] = {}
        self._reading: defaultdict[SecretKey, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def value(self, key: SecretKey, *, is_suspect: bool = False) -> str:
        """The text under this key of the Secret.

        Raises `PoolProblem` (`BROKER_UNKNOWN`) with the way to correct it.
        """
        async with self._reading[key]:
            found = self._found.get(key)
            if found is None or self._is_expired(found, is_suspect=is_suspect):
                found = await self._read(key, earlier=found)
                self._found[key] = found
        if found.value is None:
            raise PoolProblem(ProblemReason.BROKER_UNKNOWN, found.problem)
        return found.value

    def _is_expired(self, found: _CachedValue, *, is_suspect: bool) -> bool:
        kept_s = SUSPECT_KEPT_S if is_suspect or found.value is None else KEPT_S
        return self._clock() - found.read_at_s >= kept_s

    async def _read(self, key: SecretKey, *, earlier: _CachedValue | None) -> _CachedValue:
        value, problem = None, ""
        try:
            path = object_path("v1", "secrets", namespace=key.namespace, name=key.name)
            value = _decoded(await self._server.get(path), key.key)
            problem = "" if value else f"there is no text under {key}: add it to the Secret"
        except NotFound:
            problem = f"there is no Secret {key.namespace}/{key.name}: create it, or correct "
            problem += "spec.broker.secretKeyRef"
        except AccessDenied:
            problem = f"the operator may not read Secret {key.namespace}/{key.name}: "
            problem += "allow it in a Role (operator.brokerSecrets of the chart)"
        except CeleriacError as error:
            value = earlier.value if earlier is not None else None
            problem = f"{key} could not be read: {error}"
        return _CachedValue(value=value or None, problem=problem, read_at_s=self._clock())


def _decoded(secret: Document, key: str) -> str | None:
    encoded = (secret.get("data") or {}).get(key)
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return None
