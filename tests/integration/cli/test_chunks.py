"""`celeriac chunks search` against a real API."""

import json

from app.storage.chunks import NewChunk
from tests.integration.command_line import CommandLine
from tests.integration.serving import Server


def test_search_shows_where_the_best_chunks_stand(server: Server, celeriac: CommandLine) -> None:
    server.platform.stores.sources.create(chatbot_id="bot", filename="atlas.pdf", source_id="s")
    pieces = [
        NewChunk(text=f"Harbour {number}.\n\nShips.", tokens=5, metadata={"pages": [number, 9]})
        for number in (7, 8)
    ]
    server.platform.stores.chunks.replace("s", pieces, chatbot_id="bot")
    table = celeriac.output("chunks", "search", "harbour 8", "--chatbot-id", "bot")
    _, best, _ = table.splitlines()
    assert best.split()[0] == "s-1"
    assert best.rstrip().endswith("atlas.pdf  pages 8-9  Harbour 8. Ships.")
    listed = json.loads(celeriac.output("chunks", "search", "8", "--output", "json"))
    assert [chunk["id"] for chunk in listed] == ["s-1"]
