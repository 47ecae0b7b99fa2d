"""A live copy of a list of objects: listed, then followed, listed again when the trail is lost.

Protocol: Kubernetes API concepts, "Efficient detection of changes". Unlike an index of kopf's, a
copy forgets what was deleted while nobody watched.
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
"""Between attempts while the API server is away: it costs one refused connection."""
DENIED_RETRY_S = 2.0
"""Between attempts while we are refused: an API server that has just started refuses everybody for
some seconds, until it has read the Roles."""
PAUSE_S = 0.2
"""Between two watches, should a proxy end each of them at once."""
SERVER_LIMIT_S = 50
"""The server ends a watch after this, and it goes on with a new request: where nothing happens the
server may be silent for long (bookmarks are a courtesy), and a dead connection shows only so."""

Uid = str


class Store(Protocol):
    """Keeps what watches hear; several may share one (a watch for each namespace)."""

    def put(self, uid: Uid, document: Document) -> None:
        """This object is new or has changed."""

    def remove(self, uid: Uid) -> None:
        """This object is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What is watched: a list's path, and what it is called in messages."""

    name: str
    path: str
    is_optional: bool = False
    """Without the right to watch it the operator lacks a comfort, not a sense."""


class Watch:
    """Follows one collection until it is cancelled."""

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
        """What a Role keeps from us, where that is needed; empty otherwise."""

    @property
    def is_listed(self) -> bool:
        """Whether the copy was complete once."""
        return self._listed.is_set()

    async def listed(self) -> None:
        """Return when the copy was complete for the first time (or never will be: optional)."""
        await self._listed.wait()

    @property
    def lost_for_s(self) -> float | None:
        """For how long the copy was not kept; `None` when it is, or need not be."""
        if self._lost_at_s is None or self.collection.is_optional:
            return None
        return self._clock() - self._lost_at_s

    async def run(self) -> None:
        """List and follow, for ever."""
        while True:
            try:
                version: str | None = await self._list()
                while version is not None:
                    version = await self._follow(version)
                    await asyncio.sleep(PAUSE_S)
            except (AccessDenied, NotFound) as error:
                await self._denied(error)
            except CeleriacError as error:
                # The client tells of the outage, once for all watches.
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
        self._found()
        self._listed.set()
        return version

    async def _follow(self, version: str) -> str | None:
        """Follow one watch to its end; the version to go on from, or `None` to list again."""
        async with contextlib.aclosing(self._events(version)) as events:
            async for event in events:
                self._found()
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

    def _found(self) -> None:
        if self._lost_at_s is not None and self.denial:
            lost_s = round(self._clock() - self._lost_at_s, 1)
            fields = {"collection": self.collection.name, "lost_s": lost_s}
            logger.info("watch goes on", extra=fields)
        self._lost_at_s = None
        self.denial = ""

    async def _lost(self, error: CeleriacError, *, level: int, retry_s: float) -> None:
        """Tell once of each loss, and wait for the next attempt."""
        is_denied = isinstance(error, AccessDenied | NotFound) and not self.collection.is_optional
        is_news = self._lost_at_s is None or is_denied is not bool(self.denial)
        self.denial = f"the operator may not read {self.collection.name}: {error}" * is_denied
        if self._lost_at_s is None:
            self._lost_at_s = self._clock()
        if is_news:
            fields = {"collection": self.collection.name, "error": str(error)}
            logger.log(level, "watch is lost, the last known state is used", extra=fields)
        await asyncio.sleep(retry_s)

    async def _denied(self, error: CeleriacError) -> None:
        if self.collection.is_optional:
            self._listed.set()
        level = logging.DEBUG if self.collection.is_optional else logging.ERROR
        await self._lost(error, level=level, retry_s=DENIED_RETRY_S)
