"""Sources, chunks and uploads on real databases."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from obstore.store import MemoryStore
from sqlalchemy import make_url

from app.errors import Conflict, NotFound
from app.storage.engine import Database, build_engine
from app.storage.objects import ArtifactStore
from app.storage.sources import SourceStatus, SourceStore
from app.storage.uploads import UploadStore


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def sources(database: Database) -> SourceStore:
    return SourceStore(database)


@pytest.mark.parametrize(
    ("asked", "want"),
    [
        pytest.param({}, "30000", id="within half a minute"),
        pytest.param({"tcp_user_timeout": "5000"}, "5000", id="or as the URL says"),
    ],
)
def test_a_database_that_is_gone_is_given_up(
    postgres_url: str, asked: dict[str, str], want: str
) -> None:
    url = make_url(postgres_url).update_query_dict(asked)
    built = build_engine(url.render_as_string(hide_password=False))
    with built.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        found = driver.info.get_parameters()
    built.dispose()
    assert (found["tcp_user_timeout"], found["keepalives_idle"]) == (want, "15")


def test_a_source_goes_from_processing_to_ready(sources: SourceStore) -> None:
    made = sources.create(chatbot_id="bot", filename="a.pdf", job_id="job")

    ready = sources.mark_ready(made.id, content_sha256="abc")

    assert (made.status, made.job_id, made.error) == (SourceStatus.PROCESSING, "job", None)
    assert (ready.status, ready.content_sha256) == (SourceStatus.READY, "abc")
    assert sources.get(made.id) == ready
    assert ready.updated_at >= made.updated_at


def test_a_failed_source_tells_why_until_it_is_tried_again(sources: SourceStore) -> None:
    made = sources.create(chatbot_id="bot", filename="a.pdf")
    failed = sources.mark_failed(made.id, error="it is encrypted")

    again = sources.ensure(made.id, chatbot_id="bot", filename="a.pdf", job_id="second")

    assert (failed.status, failed.error) == (SourceStatus.FAILED, "it is encrypted")
    assert (again.status, again.error, again.job_id) == (SourceStatus.PROCESSING, None, "second")


def test_ensure_makes_what_is_not_there(sources: SourceStore) -> None:
    made = sources.ensure("mine", chatbot_id="bot", filename="a.pdf")

    assert sources.get("mine") == made


def test_a_source_is_made_once(sources: SourceStore) -> None:
    sources.create(chatbot_id="bot", filename="a.pdf", source_id="mine")

    with pytest.raises(Conflict):
        sources.create(chatbot_id="bot", filename="b.pdf", source_id="mine")


def test_a_source_that_is_gone_is_not_found(sources: SourceStore) -> None:
    made = sources.create(chatbot_id="bot", filename="a.pdf")
    sources.delete(made.id)

    with pytest.raises(NotFound):
        sources.mark_ready(made.id)
    assert sources.find(made.id) is None


def test_an_upload_comes_back(database: Database, tmp_path: Path) -> None:
    uploads = UploadStore(database, ArtifactStore(MemoryStore()))
    path = tmp_path / "upload"
    path.write_text("content")

    made = uploads.add(path, filename="../../a.txt", media_type="text/plain")

    assert uploads.get(made.id) == made
    assert (made.filename, made.size_bytes) == ("../../a.txt", 7)
    assert uploads.fetch(made.id, tmp_path / "back").read_text() == "content"


def test_a_deleted_upload_is_gone_with_its_bytes(database: Database, tmp_path: Path) -> None:
    objects = ArtifactStore(MemoryStore())
    uploads = UploadStore(database, objects)
    path = tmp_path / "upload"
    path.write_text("content")
    made = uploads.add(path, filename="a.txt", media_type="text/plain")

    uploads.delete(made.id)
    uploads.delete(made.id)

    assert objects.keys() == []
    with pytest.raises(NotFound):
        uploads.get(made.id)
