"""Search over HTTP and from the command line."""

import httpx2
import pytest

from app.storage.chunks import NewChunk
from app.storage.sources import SourceStatus
from tests.integration.api import asking
from tests.integration.serving import Server

CHUNKS = "/api/v1/chunks"


@pytest.fixture
def library(server: Server) -> httpx2.Client:
    """Two sources of one bot, one of another."""
    for source_id, bot, text in (
        ("ships", "bot", "The keeper counts the ships."),
        ("birds", "bot", "The keeper counts the birds, and the eggs of the birds."),
        ("secret", "other", "The birds of another bot."),
    ):
        server.platform.stores.sources.create(
            chatbot_id=bot, filename=f"{source_id}.txt", source_id=source_id
        )
        piece = NewChunk(text=text, tokens=9, metadata={"pages": [1, 1]})
        server.platform.stores.chunks.replace(source_id, [piece], chatbot_id=bot)
        server.platform.stores.sources.mark_ready(source_id)
    return server.http


def test_chunks_are_found_best_first_with_their_source(library: httpx2.Client) -> None:
    found = library.get(CHUNKS, params={"query": "Keeper of birds", "chatbot_id": "bot"}).json()
    assert [chunk["source_id"] for chunk in found["items"]] == ["birds", "ships"]
    best = found["items"][0]
    assert best["score"] > found["items"][1]["score"]
    assert (best["text"], best["metadata"], best["ordinal"]) == (
        "The keeper counts the birds, and the eggs of the birds.",
        {"pages": [1, 1]},
        0,
    )
    source = best["source"]
    assert (source["filename"], source["status"]) == ("birds.txt", SourceStatus.READY)


def test_a_search_stays_where_it_is_told(library: httpx2.Client) -> None:
    def sources(**params: str | int) -> list[str]:
        items = library.get(CHUNKS, params={"query": "the birds", **params}).json()["items"]
        return sorted(chunk["source_id"] for chunk in items)

    assert sources() == ["birds", "secret", "ships"]
    assert sources(chatbot_id="other") == ["secret"]
    assert sources(source_id="ships") == ["ships"]
    assert sources(source_id="secret", chatbot_id="bot") == []
    assert len(sources(limit=1)) == 1


@pytest.mark.parametrize("query", ["query=", "", "query=a&limit=0", "query=a&limit=1000", "q=a"])
def test_a_search_that_is_none_is_refused(shared: httpx2.Client, query: str) -> None:
    answer = shared.get(f"{CHUNKS}?{query}")
    assert asking.problem(answer)["type"].endswith("invalid-request")
