"""Chunks in MongoDB, or in a compatible server.

The chunks of a source have a generation, and one document per source names the valid one. New
chunks are written under a new generation, then that document is changed. So a reader sees all new
chunks or all old ones on any server, without a transaction over many documents.

For search, each chunk contains its words under an ordinary index. `$text` would need the only text
index that a collection can have, and compatible servers have none.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uuid_utils
from bson.errors import BSONError, InvalidDocument
from pymongo import ASCENDING, MongoClient, errors
from pymongo.collection import Collection

from app.errors import CeleriacError, Conflict, InvalidInput, StorageUnavailable
from app.storage import chunks, ownership, search_words
from app.storage.chunks import Chunk, Hit, NewChunk
from app.storage.columns import clean
from app.storage.engine import dump_json

BATCH = 500

DATABASE = "celeriac"
"""The default if the URL names none."""

SELECTION_MS, CONNECT_MS, SOCKET_MS = 5_000, 5_000, 30_000

CANDIDATES = 2_000
"""Maximum number of chunks to score: those with the rarest words."""

COUNTED = 10_000
"""Limit for counting the chunks that have a word: any more common word weighs the same."""

ATTEMPTS = 5
"""To read all chunks of one generation while others replace them."""

ORPHANED_S = 24 * 3600
"""The age at which a generation that is not the valid one belongs to a worker that died."""

_SATURATION, _LENGTH_SHARE = 1.2, 0.75
"""The usual parameters of BM25."""

Document = dict[str, Any]  # BSON

_ORDER = [("source_id", ASCENDING), ("generation", ASCENDING), ("ordinal", ASCENDING)]

UNAUTHORIZED = frozenset({13, 18})
"""Missing rights and a wrong password, which an operator can fix: they are retried."""

_TABLE: tuple[tuple[type[Exception], type[CeleriacError], str], ...] = (
    (errors.DuplicateKeyError, Conflict, "MongoDB holds this already"),
    (errors.DocumentTooLarge, InvalidInput, "a chunk is too large for MongoDB"),
    (InvalidDocument, InvalidInput, "MongoDB refuses a value"),
    (BSONError, InvalidInput, "MongoDB refuses a value"),
    (errors.ConnectionFailure, StorageUnavailable, "MongoDB did not answer"),
    (errors.WTimeoutError, StorageUnavailable, "MongoDB did not answer"),
    (errors.ExecutionTimeout, StorageUnavailable, "MongoDB did not answer"),
    (errors.ConfigurationError, InvalidInput, "MONGODB_URL cannot be used"),
    (errors.InvalidURI, InvalidInput, "MONGODB_URL cannot be read"),
    (errors.PyMongoError, StorageUnavailable, "MongoDB refused"),
)
"""The driver's error, ours, and its message. The first matching row is used."""


class MongoChunkStore:
    """The `ChunkStore` that `MONGODB_URL` names. Connects when it is first used."""

    def __init__(self, url: str, *, selection_ms: int = SELECTION_MS) -> None:
        self._client = _client(url, selection_ms=selection_ms)
        database = self._client.get_default_database(DATABASE)
        self._chunks: Collection[Document] = database["chunks"]
        self._sources: Collection[Document] = database["chunk_sources"]
        self._has_indexes = False

    def close(self) -> None:
        self._client.close()

    def replace(self, source_id: str, chunks: Iterable[NewChunk], *, chatbot_id: str) -> None:
        generation = uuid_utils.uuid7().hex
        with translated():
            self._ensure_indexes()
            try:
                count = self._written(source_id, generation, chunks, chatbot_id)
                valid = {
                    "generation": generation,
                    "owner": ownership.current().owner,
                    "chatbot_id": chatbot_id,
                    "count": count,
                }
                before = self._sources.find_one_and_update(
                    {"_id": source_id}, {"$set": valid}, upsert=True
                )
            except BaseException:
                self._discard(source_id, generation)
                raise
            if before is not None:
                self._discard(source_id, before["generation"])
            self._discard_orphaned(source_id, generation)

    def of_source(self, source_id: str) -> list[Chunk]:
        return self._read(source_id, {}, limit=0)

    def part_of_source(self, source_id: str, *, first: int, count: int) -> list[Chunk]:
        part = {"ordinal": {"$gte": first, "$lt": first + count}}
        return self._read(source_id, part, limit=count)

    def count(self, *, source_id: str | None = None, chatbot_id: str | None = None) -> int:
        query = _belongs(_id=source_id, chatbot_id=chatbot_id)
        with translated():
            return sum(found["count"] for found in self._sources.find(query, {"count": 1}))

    def erase(self, owner: str) -> int:
        with translated():
            self._sources.delete_many({"owner": owner})
            return self._chunks.delete_many({"owner": owner}).deleted_count

    def search(
        self,
        query: str,
        *,
        chatbot_id: str | None = None,
        source_id: str | None = None,
        limit: int = 10,
    ) -> list[Hit]:
        words = search_words.of_query(query)
        belongs = _belongs(source_id=source_id, chatbot_id=chatbot_id)
        if not words:
            return []
        with translated():
            total = self.count(source_id=source_id, chatbot_id=chatbot_id)
            having = {
                word: self._chunks.count_documents({**belongs, "terms": word}, limit=COUNTED)
                for word in words
            }
            found = self._candidates(belongs, having)
            scores = _scores(found, having, total=total)
            best = sorted(
                found, key=lambda one: (-scores[one["_id"]], one["source_id"], one["ordinal"])
            )[:limit]
            full = {one["_id"]: one for one in self._with_text(best)}
        return chunks.hits(
            (_chunk(full[one["_id"]]), scores[one["_id"]]) for one in best if one["_id"] in full
        )

    def _written(
        self, source_id: str, generation: str, chunks: Iterable[NewChunk], chatbot_id: str
    ) -> int:
        documents = (
            _document(source_id, generation, ordinal, chunk, chatbot_id)
            for ordinal, chunk in enumerate(chunks)
        )
        count = 0
        while batch := list(itertools.islice(documents, BATCH)):
            self._chunks.insert_many(batch, ordered=False)
            count += len(batch)
        return count

    def _discard(self, source_id: str, generation: str) -> None:
        self._chunks.delete_many({"source_id": source_id, "generation": generation})

    def _discard_orphaned(self, source_id: str, generation: str) -> None:
        """A generation of a day ago. Generations begin with their time, so they can be compared."""
        oldest = f"{int(generation[:12], 16) - ORPHANED_S * 1000:012x}"
        self._chunks.delete_many({"source_id": source_id, "generation": {"$lt": oldest}})

    def _read(self, source_id: str, part: Mapping[str, Any], *, limit: int) -> list[Chunk]:
        """The chunks of the generation that is valid before and after they were read."""
        with translated():
            valid = self._generation(source_id)
            for _ in range(ATTEMPTS):
                query = {**_belongs(source_id=source_id), "generation": valid, **part}
                found = self._chunks.find(query).sort("ordinal", ASCENDING).limit(limit)
                chunks = [_chunk(document) for document in found]
                before, valid = valid, self._generation(source_id)
                if valid == before:
                    break
            return chunks

    def _generation(self, source_id: str) -> str | None:
        found = self._sources.find_one({"_id": source_id}, {"generation": 1})
        return None if found is None else str(found["generation"])

    def _candidates(self, belongs: Document, having: Mapping[str, int]) -> list[Document]:
        """Chunks that have a word of the query, without their text; of common words only as many as
        fit beside those of the rare ones."""
        found: dict[str, Document] = {}
        for word in sorted(having, key=lambda word: having[word]):
            room = CANDIDATES - len(found)
            if room <= 0:
                break
            query = {**belongs, "terms": word}
            fields = {"source_id": 1, "generation": 1, "ordinal": 1, "terms": 1}
            found |= {one["_id"]: one for one in self._chunks.find(query, fields).limit(room)}
        sources = list({one["source_id"] for one in found.values()})
        valid = {
            one["_id"]: one["generation"] for one in self._sources.find({"_id": {"$in": sources}})
        }
        return [one for one in found.values() if valid.get(one["source_id"]) == one["generation"]]

    def _with_text(self, found: list[Document]) -> Iterable[Document]:
        return self._chunks.find({"_id": {"$in": [one["_id"] for one in found]}})

    def _ensure_indexes(self) -> None:
        if self._has_indexes:
            return
        self._chunks.create_index(_ORDER, unique=True)
        self._chunks.create_index([("terms", ASCENDING)])
        self._chunks.create_index([("chatbot_id", ASCENDING)])
        self._sources.create_index([("chatbot_id", ASCENDING)])
        self._has_indexes = True


def _client(url: str, *, selection_ms: int) -> MongoClient[Document]:
    if not url.startswith(("mongodb://", "mongodb+srv://")):
        raise InvalidInput("MONGODB_URL begins with mongodb:// or mongodb+srv://")
    try:
        with translated():
            return MongoClient(
                url,
                connect=False,
                appname="celeriac",
                serverSelectionTimeoutMS=selection_ms,
                connectTimeoutMS=CONNECT_MS,
                socketTimeoutMS=SOCKET_MS,
            )
    except ValueError:
        raise InvalidInput("MONGODB_URL cannot be read") from None


def _belongs(**named: str | None) -> Document:
    """The condition on documents of the present scope, and of these names."""
    scope = ownership.current()
    found: Document = {} if scope.sees_all else {"owner": scope.owner}
    return found | {name: value for name, value in named.items() if value is not None}


def _document(
    source_id: str, generation: str, ordinal: int, chunk: NewChunk, chatbot_id: str
) -> Document:
    return {
        "_id": f"{source_id}-{generation}-{ordinal}",
        "source_id": source_id,
        "generation": generation,
        "owner": ownership.current().owner,
        "chatbot_id": chatbot_id,
        "ordinal": ordinal,
        "text": clean(chunk.text),
        "tokens": chunk.tokens,
        **_metadata(chunk.metadata),
        "terms": search_words.of_text(chunk.text),
    }


def _metadata(metadata: Document) -> Document:
    """As it is, for whoever reads the collection; beside it as it came, where BSON can not hold it
    (halves of surrogate pairs)."""
    exact = dump_json(metadata)
    kept = json.loads(clean(json.dumps(metadata, ensure_ascii=False)))
    return {"metadata": kept} if kept == metadata else {"metadata": kept, "metadata_json": exact}


def _chunk(document: Document) -> Chunk:
    exact = document.get("metadata_json")
    return Chunk(
        id=f"{document['source_id']}-{document['ordinal']}",
        source_id=document["source_id"],
        chatbot_id=document["chatbot_id"],
        ordinal=document["ordinal"],
        text=document["text"],
        tokens=document["tokens"],
        metadata=document["metadata"] if exact is None else json.loads(exact),
    )


def _scores(found: list[Document], having: Mapping[str, int], *, total: int) -> dict[str, float]:
    """BM25 of each chunk."""
    mean_length = sum(len(one["terms"]) for one in found) / max(1, len(found))
    return {
        one["_id"]: sum(_weights(one["terms"], having, total=total, mean_length=mean_length))
        for one in found
    }


def _weights(
    own: list[str], having: Mapping[str, int], *, total: int, mean_length: float
) -> Iterator[float]:
    counts = Counter(own)
    norm = 1 - _LENGTH_SHARE + _LENGTH_SHARE * len(own) / mean_length
    for word, count in having.items():
        rarity = math.log(1 + (max(total, count) - count + 0.5) / (count + 0.5))
        often = counts[word]
        yield rarity * often * (_SATURATION + 1) / (often + _SATURATION * norm)


@contextmanager
def translated() -> Iterator[None]:
    """Translate the driver's errors to ours. Messages contain no document."""
    try:
        yield
    except (errors.PyMongoError, BSONError) as error:
        ours = translate(error)
        raise ours from error


def translate(error: Exception) -> CeleriacError:
    """Our error for one of the driver's."""
    if isinstance(error, errors.OperationFailure) and error.code in UNAUTHORIZED:
        return StorageUnavailable("MongoDB refuses our name and password, or what we ask for")
    _, ours, words = next(row for row in _TABLE if isinstance(error, row[0]))
    if isinstance(error, errors.OperationFailure | InvalidDocument | errors.InvalidURI):
        return ours(words)  # its own words may hold values
    detail = str(error).split(", Timeout:")[0]
    if ours is StorageUnavailable:
        return StorageUnavailable(words, detail=detail)
    return ours(f"{words}: {detail}")
