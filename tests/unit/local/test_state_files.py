"""The file of revoked ids."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from app.local import state_files

REVOKED = {"": {"a": 1.5}, "shop:": {"b": 2.0}}


@pytest.mark.parametrize("text", [None, "", "[]", '{"": 3}', '{"": {"a": "x"}}'])
def test_what_cannot_be_read_is_as_nothing(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "revoked.json"
    if text is not None:
        path.write_text(text)

    assert state_files.read_revoked(path) == {}


def test_what_is_revoked_at_the_end_is_saved_too(tmp_path: Path) -> None:
    path = tmp_path / "revoked.json"

    async def scenario() -> None:
        keeping = asyncio.create_task(state_files.keep_revoked(path, lambda: REVOKED))
        await asyncio.sleep(0)
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping

    asyncio.run(scenario())
    assert state_files.read_revoked(path) == REVOKED
