"""An informer: a live copy of a list of objects, listed once and followed by a watch.

It is the only way in which the operator watches Kubernetes. It lists again when the API server has
dropped the version to go on from, and then removes what was deleted in between.
Protocol: Kubernetes API concepts, "Efficient detection of changes".
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

from app.errors import AccessDenied, CeleriacError, NotFound
from app.operator.kubernetes.apiserver import ApiServer, Document

logger = logging.getLogger(__name__)

RETRY_S = 1.0
"""Between attempts while the API server is unavailable: each costs one refused connection."""
DENIED_RETRY_S = 2.0
"""Between attempts while access is denied: an API server that has just started denies everything
for some seconds, until it has read the Roles."""
PAUSE_S = 0.2
"""Between two watches, in case a proxy ends each of them at once."""
SERVER_LIMIT_S = 50
"""The API server ends a watch after this time, and a new request continues it. A quiet list may
send nothing for long (bookmarks are optional), so this is how a dead connection is found."""

Uid = str


def is_older(version: str, than: str) -> bool:
    """Whether a resourceVersion comes before another one; `False` where either is not a number.

    Versions are opaque until Kubernetes 1.35, and numbers in every known server (KEP-5504).

    >>> is_older("9", "10")
    True
    >>> is_older("", "10")
    False
    """
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


class Store(Protocol):
    """Keeps the objects of one or several informers (one informer for each namespace)."""

    def put(self, uid: Uid, document: Document) -> None:
        """Keep a new or changed object."""

    def remove(self, uid: Uid) -> None:
        """Remove a deleted object, if it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What is watched: the path of a list, and its name in messages."""

    name: str
    path: str
    is_optional: bool = False
    """The operator works without the right to watch it."""


class Informer:
    """Keeps the copy of one collection until it is cancelled."""

    def __init__(
        self, server: ApiServer, collection: Collection, store: Store, *, clock: Callable[[], float]
    ) -> None:
        self.collection = collection
        self._server = server
        self._store = store
        self._clock = clock
        self._listed = asyncio.Event()
        self._known: set[Uid] = set()
        self._lost_at_s: float | None = None
        self.denial = ""
        """The missing right, where the collection is needed; empty otherwise."""

    @property
    def is_listed(self) -> bool:
        """Whether the copy was complete once."""
        return self._listed.is_set()

    async def listed(self) -> None:
        """Return when the copy is complete for the first time, or is optional and denied."""
        await self._listed.wait()

    @property
    def lost_for_s(self) -> float | None:
        """For how long the copy has been out of date; `None` when it is current or optional."""
        if self._lost_at_s is None or self.collection.is_optional:
            return None
        return self._clock() - self._lost_at_s

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                version: str | None = await self._list()
                while version is not None:
                    version = await self._follow(version)
                    await asyncio.sleep(PAUSE_S)
            except (AccessDenied, NotFound) as error:
                await self._denied(error)
            except CeleriacError as error:
                # The client logs the outage, once for all informers.
                await self._lost(error, level=logging.DEBUG, retry_s=RETRY_S)

    async def _list(self) -> str:
        listed: set[Uid] = set()
        version = ""
        async for page in self._server.pages(self.collection.path):
            version = page["metadata"]["resourceVersion"]
            for document in page.get("items") or ():
                self._keep("ADDED", document)
                listed.add(document["metadata"]["uid"])
        for uid in self._known - listed:
            self._store.remove(uid)
        self._known = listed
        self._recovered()
        self._listed.set()
        return version

    async def _follow(self, version: str) -> str | None:
        """Follow one watch to its end; the version to continue from, or `None` to list again."""
        async with contextlib.aclosing(self._events(version)) as events:
            async for event in events:
                self._recovered()
                document = event["object"]
                if event["type"] == "ERROR":
                    logger.info("watch expired", extra={"collection": self.collection.name})
                    return None
                version = document["metadata"]["resourceVersion"]
                self._keep(event["type"], document)
        return version

    def _events(self, version: str) -> AsyncGenerator[Document]:
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(SERVER_LIMIT_S),
        }
        return self._server.events(self.collection.path, params=params)

    def _keep(self, kind: str, document: Document) -> None:
        uid = document["metadata"].get("uid", "")
        if kind in ("ADDED", "MODIFIED"):
            self._known.add(uid)
            self._store.put(uid, document)
        elif kind == "DELETED":
            self._known.discard(uid)
            self._store.remove(uid)

    def _recovered(self) -> None:
        if self._lost_at_s is not None and self.denial:
            lost_s = round(self._clock() - self._lost_at_s, 1)
            fields = {"collection": self.collection.name, "lost_s": lost_s}
            logger.info("watch resumed", extra=fields)
        self._lost_at_s = None
        self.denial = ""

    async def _lost(self, error: CeleriacError, *, level: int, retry_s: float) -> None:
        """Log each loss once, and wait for the next attempt."""
        is_denied = isinstance(error, AccessDenied | NotFound) and not self.collection.is_optional
        is_news = self._lost_at_s is None or is_denied is not bool(self.denial)
        self.denial = f"the operator may not read {self.collection.name}: {error}" * is_denied
        if self._lost_at_s is None:
            self._lost_at_s = self._clock()
        if is_news:
            fields = {"collection": self.collection.name, "error": str(error)}
            logger.log(level, "watch lost, the last known state is used", extra=fields)
        await asyncio.sleep(retry_s)

    async def _denied(self, error: CeleriacError) -> None:
        if self.collection.is_optional:
            self._listed.set()
        level = logging.DEBUG if self.collection.is_optional else logging.ERROR
        await self._lost(error, level=level, retry_s=DENIED_RETRY_S)
