"""Writers of one SQLite file take turns."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from app.errors import StorageUnavailable
from app.storage import engine
from app.storage.engine import Database

COUNT = text("SELECT count(*) FROM notes")
ADD = text("INSERT INTO notes VALUES ('x')")


@pytest.fixture
def url(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path}/notes.db"
    with Database(address).write() as connection:
        connection.execute(text("CREATE TABLE notes (words TEXT)"))
    return address


def test_many_writers_lose_nothing(url: str) -> None:
    def add_some(_: int) -> None:
        database = Database(url)
        for _ in range(25):
            with database.write() as connection:
                seen = connection.execute(COUNT).scalar_one()
                connection.execute(ADD)
                assert connection.execute(COUNT).scalar_one() == seen + 1
        database.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_some, range(8)))
    with Database(url).read() as connection:
        assert connection.execute(COUNT).scalar_one() == 8 * 25


def test_a_writer_that_waits_too_long_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.05)
    with Database(url).write() as holder:
        holder.execute(ADD)
        with pytest.raises(StorageUnavailable, match="locked"), Database(url).write():
            pass
    with Database(url).write() as connection:
        assert connection.execute(COUNT).scalar_one() == 1
