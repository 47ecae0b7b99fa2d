"""One contract for every chunk store: on SQLite, on PostgreSQL, and on what speaks MongoDB."""

import itertools
import threading
from collections.abc import Iterator
from typing import Protocol

import pymongo
import pytest

from app.errors import CeleriacError, Conflict, InvalidInput, StorageUnavailable
from app.storage import mongo_chunks, ownership, search_words
from app.storage.chunks import BATCH, ChunkStore, NewChunk, SqlChunkStore
from app.storage.engine import Database
from app.storage.mongo_chunks import MongoChunkStore
from tests.ports import free_port


class Store(ChunkStore, Protocol):
    """A chunk store that can be closed."""

    def close(self) -> None: ...


class _Sql(SqlChunkStore):
    def __init__(self, url: str) -> None:
        self._own = Database(url)
        super().__init__(self._own)

    def close(self) -> None:
        self._own.close()


@pytest.fixture(params=["sqlite_url", "postgres_url", "mongodb_url"])
def chunks(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The same test over each store, empty."""
    url: str = request.getfixturevalue(request.param)
    store: Store = MongoChunkStore(url) if request.param == "mongodb_url" else _Sql(url)
    yield store
    store.close()


def piece(text: str, **metadata: object) -> NewChunk:
    return NewChunk(text=text, tokens=len(text), metadata=metadata)


def test_chunks_come_back_in_their_order(chunks: Store) -> None:
    texts = [f"text {number}" for number in range(BATCH * 2 + 1)]

    chunks.replace("source", [piece(text, page=1) for text in texts], chatbot_id="bot")

    found = chunks.of_source("source")
    assert [chunk.text for chunk in found] == texts
    assert (found[0].metadata, found[0].tokens, found[0].chatbot_id) == ({"page": 1}, 6, "bot")


def test_chunks_of_a_source_are_replaced_as_a_whole(chunks: Store) -> None:
    chunks.replace("source", [piece("a"), piece("b"), piece("c")], chatbot_id="bot")
    chunks.replace("other", [piece("x")], chatbot_id="bot")

    chunks.replace("source", [piece("new")], chatbot_id="bot")

    assert [chunk.text for chunk in chunks.of_source("source")] == ["new"]
    assert (chunks.count(chatbot_id="bot"), chunks.count(source_id="other")) == (2, 1)


def test_chunks_of_damaged_text_are_kept(chunks: Store) -> None:
    chunks.replace("source", [piece("a\x00b\ud800c", title="t\x00\ud800")], chatbot_id="bot")

    [found] = chunks.of_source("source")
    assert found.text == "ab?c"
    assert found.metadata == {"title": "t\x00\ud800"}


def test_chunks_that_cannot_be_stored_leave_those_from_before(chunks: Store) -> None:
    chunks.replace("source", [piece("old")], chatbot_id="bot")

    with pytest.raises(Exception, match="JSON"):
        chunks.replace("source", [piece("new"), piece("bad", x={1})], chatbot_id="bot")

    assert [chunk.text for chunk in chunks.of_source("source")] == ["old"]


def test_a_part_of_a_source_is_read_by_its_ordinals(chunks: Store) -> None:
    chunks.replace("source", [piece(str(number)) for number in range(9)], chatbot_id="bot")

    found = chunks.part_of_source("source", first=3, count=2)
    assert [(chunk.id, chunk.text) for chunk in found] == [("source-3", "3"), ("source-4", "4")]
    assert [chunk.text for chunk in chunks.part_of_source("source", first=8, count=5)] == ["8"]
    assert chunks.part_of_source("nobody", first=0, count=5) == []


def test_readers_see_all_of_the_old_chunks_or_all_of_the_new(chunks: Store) -> None:
    """While one edition after another is written."""
    ended = threading.Event()
    chunks.replace("source", [piece("0")] * 3, chatbot_id="bot")

    def write() -> None:
        for edition in range(1, 15):
            chunks.replace("source", [piece(str(edition))] * 3, chatbot_id="bot")
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not ended.is_set():
        seen.append("".join(chunk.text for chunk in chunks.of_source("source")))
    writer.join()
    assert set(seen) <= {str(edition) * 3 for edition in range(15)}
    assert len(chunks.of_source("source")) == 3


LIBRARY = {
    "ships": "The lighthouse keeper counts the ships that pass in the evening.",
    "birds": "The keeper of the birds counts the eggs, and counts them again.",
    "bread": "The baker bakes the bread at night. Größe: 3 Café crème.",
    "tokyo": "東京都の人口は多い。",
    "walls": "The wall is made of granite, and the floor of oak.",
}


@pytest.fixture
def library(chunks: Store) -> Store:
    for source_id, text in LIBRARY.items():
        pieces = [piece("The end."), piece(text, page=1)]
        chunks.replace(source_id, pieces, chatbot_id="asia" if source_id == "tokyo" else "bot")
    return chunks


@pytest.mark.parametrize(
    ("query", "want"),
    [
        pytest.param("lighthouse", ["ships"], id="a rare word"),
        pytest.param("LIGHTHOUSE?!", ["ships"], id="case and signs do not matter"),
        pytest.param("keeper eggs", ["birds", "ships"], id="more of the words comes first"),
        pytest.param("the lighthouse", ["ships"], id="a rare word beats a common one"),
        pytest.param("grosse", ["bread"], id="without an accent"),
        pytest.param("cafe CRÈME", ["bread"], id="with one"),
        pytest.param("東京", ["tokyo"], id="a script without spaces"),
        pytest.param("submarine", [], id="what nobody says"),
        pytest.param("' OR 1=1 -- \" * ) NEAR(", [], id="signs of query languages"),
        pytest.param("  \x00 ?", [], id="no word at all"),
    ],
)
def test_search_finds_the_best_chunks_first(library: Store, query: str, want: list[str]) -> None:
    found = library.search(query)
    assert [hit.chunk.source_id for hit in found][: len(want) or None] == want
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


def test_search_looks_where_it_is_told(library: Store) -> None:
    def ids(
        query: str, *, chatbot_id: str | None = None, source_id: str | None = None
    ) -> list[str]:
        found = library.search(query, chatbot_id=chatbot_id, source_id=source_id)
        return sorted(hit.chunk.id for hit in found)

    assert ids("counts", chatbot_id="bot") == ["birds-1", "ships-1"]
    assert ids("counts", chatbot_id="asia") == []
    assert ids("the", source_id="walls") == ["walls-0", "walls-1"]
    assert ids("counts", source_id="walls") == []
    assert len(library.search("the", limit=3)) == 3


def test_search_gives_the_chunk_as_it_is_stored(library: Store) -> None:
    [hit] = library.search("lighthouse")
    [_, chunk] = library.of_source("ships")
    assert (hit.chunk, hit.chunk.metadata) == (chunk, {"page": 1})
    assert hit.score > 0


def test_search_forgets_what_was_replaced(library: Store) -> None:
    library.replace("ships", [piece("Nothing but granite.")], chatbot_id="bot")
    assert library.search("lighthouse") == []
    assert {hit.chunk.source_id for hit in library.search("granite")} == {"ships", "walls"}


def test_every_word_of_a_text_can_be_searched_for(chunks: Store) -> None:
    text = "naïve l'été 1e5 x86_64 C++ state-of-the-art ǅungla ﬁne हिन्दी עברית"
    chunks.replace("source", [piece(text)], chatbot_id="bot")
    found = {word: len(chunks.search(word)) for word in search_words.of_text(text)}
    assert found == dict.fromkeys(search_words.of_text(text), 1)


def test_new_chunks_that_break_off_are_never_seen(chunks: Store) -> None:
    """The first batch was written when the second one failed."""

    def broken() -> Iterator[NewChunk]:
        yield from itertools.repeat(piece("half"), BATCH + 1)
        raise OSError("the file is gone")

    chunks.replace("source", [piece("old")], chatbot_id="bot")
    with pytest.raises(OSError, match="gone"):
        chunks.replace("source", broken(), chatbot_id="bot")
    assert chunks.search("half") == []
    assert (chunks.count(source_id="source"), len(chunks.search("old"))) == (1, 1)


def test_what_a_dead_worker_left_in_mongodb_is_swept(mongodb_url: str) -> None:
    store = MongoChunkStore(mongodb_url)
    with pymongo.MongoClient[dict[str, object]](mongodb_url) as client:
        left = client.get_default_database()["chunks"]
        dead = {"source_id": "source", "generation": "0" * 32, "ordinal": 0, "terms": ["dead"]}
        left.insert_one({"_id": "dead", **dead})
        assert store.search("dead") == []
        store.replace("source", [piece("alive")], chatbot_id="bot")
        assert [found["terms"] for found in left.find({"source_id": "source"})] == [["alive"]]
    store.close()


def test_a_mongodb_that_is_away_may_come_back() -> None:
    store = MongoChunkStore(f"mongodb://127.0.0.1:{free_port()}", selection_ms=200)
    with pytest.raises(StorageUnavailable, match="MongoDB did not answer"):
        store.of_source("source")
    store.close()


@pytest.mark.parametrize("url", ["mongodb://", "http://host", "mongodb://[::1"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="MONGODB_URL"):
        MongoChunkStore(url)


@pytest.mark.parametrize(
    ("error", "want"),
    [
        (pymongo.errors.DuplicateKeyError("secret"), Conflict),
        (pymongo.errors.AutoReconnect("reset"), StorageUnavailable),
        (pymongo.errors.OperationFailure("secret", code=18), StorageUnavailable),
        (pymongo.errors.OperationFailure("secret", code=2), StorageUnavailable),
        (pymongo.errors.DocumentTooLarge("secret"), InvalidInput),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_of_mongodb_are_ours_and_hold_no_document(
    error: Exception, want: type[CeleriacError]
) -> None:
    ours = mongo_chunks.translate(error)
    assert type(ours) is want
    assert "secret" not in str(ours)


def test_an_owner_sees_and_erases_its_own_chunks_only(chunks: Store) -> None:
    for owner in ("ada", "bob"):
        with ownership.acting_for(ownership.job_scope(owner)):
            chunks.replace(f"of-{owner}", [piece(f"celeriac of {owner}")], chatbot_id="bot")
    with ownership.acting_for(ownership.job_scope("ada")):
        found = chunks.search("celeriac", chatbot_id="bot")
        assert [hit.chunk.text for hit in found] == ["celeriac of ada"]
        assert (chunks.count(chatbot_id="bot"), chunks.of_source("of-bob")) == (1, [])
        assert chunks.part_of_source("of-bob", first=0, count=9) == []
    assert chunks.count() == 2
    assert chunks.erase("ada") == 1
    assert [hit.chunk.text for hit in chunks.search("celeriac")] == ["celeriac of bob"]
