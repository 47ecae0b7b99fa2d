"""Objects on a disk and in memory, behind one class."""

import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore import exceptions
from obstore.store import MemoryStore

from app.errors import CeleriacError, InvalidInput, NotFound, StorageUnavailable
from app.storage import objects
from app.storage.objects import BLOCK_BYTES, ArtifactStore


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "memory":
        return ArtifactStore(MemoryStore())
    return ArtifactStore.open(folder=tmp_path / "store")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(bytes(range(256)) * 10_000)
    return path


def test_a_saved_file_comes_back(store: ArtifactStore, file: Path, tmp_path: Path) -> None:
    stored = store.save(file, key="jobs/1/file.bin")

    assert stored.size_bytes == 2_560_000
    assert stored.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    back = store.fetch("jobs/1/file.bin", tmp_path / "new folder" / "back")
    assert back.read_bytes() == file.read_bytes()
    assert store.size_bytes("jobs/1/file.bin") == 2_560_000


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param(0, None, id="all of it"),
        pytest.param(0, 1, id="its first byte"),
        pytest.param(2_559_999, None, id="its last byte"),
        pytest.param(BLOCK_BYTES - 1, BLOCK_BYTES + 1, id="across two blocks"),
        pytest.param(5, 9_999_999, id="an end past its own"),
        pytest.param(2_560_000, None, id="nothing"),
    ],
)
def test_a_part_of_a_file_comes_back(
    store: ArtifactStore, file: Path, start: int, end: int | None
) -> None:
    store.save(file, key="key")

    assert b"".join(store.stream("key", start=start, end=end)) == file.read_bytes()[start:end]


def test_an_empty_file_is_kept(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    store.save(tmp_path / "empty", key="empty")

    assert list(store.stream("empty")) == []
    assert store.exists("empty")


def test_saving_again_replaces(store: ArtifactStore, file: Path, tmp_path: Path) -> None:
    store.save(file, key="key")
    (tmp_path / "new").write_text("new")

    store.save(tmp_path / "new", key="key")

    assert b"".join(store.stream("key")) == b"new"


def test_what_is_not_there_is_not_found(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        store.stream("nothing")
    with pytest.raises(NotFound):
        store.save(tmp_path / "no file", key="key")
    assert not store.exists("nothing")


def test_delete_removes_and_minds_no_absence(store: ArtifactStore, file: Path) -> None:
    store.save(file, key="key")

    store.delete("key")
    store.delete("key")

    assert not store.exists("key")


@pytest.mark.parametrize("key", ["", "/", "/a", "a//b", "../a", "a/../b", ".", "a/.", "a\nb", "a/"])
def test_a_key_that_could_lead_astray_is_refused(
    store: ArtifactStore, file: Path, key: str
) -> None:
    with pytest.raises(InvalidInput):
        store.save(file, key=key)
    with pytest.raises(InvalidInput):
        store.stream(key)


def test_a_disk_that_takes_nothing_may_later(file: Path, tmp_path: Path) -> None:
    store = ArtifactStore.open(folder=tmp_path / "store")
    (tmp_path / "store" / "jobs").write_text("a file in the folder's place")

    with pytest.raises(StorageUnavailable):
        store.save(file, key="jobs/1/a")


OBSTORE_ERRORS = [
    kind
    for _, kind in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(kind, exceptions.BaseError)
]


@pytest.mark.parametrize("kind", OBSTORE_ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_of_the_store_is_translated(kind: type[Exception]) -> None:
    assert isinstance(objects.translate(kind("reason"), "key"), CeleriacError)


def blocks(store: ArtifactStore) -> Iterator[bytes]:
    return store.stream("key")


def test_a_stream_reads_no_more_than_it_is_asked_for(store: ArtifactStore, file: Path) -> None:
    store.save(file, key="key")

    assert len(next(blocks(store))) == BLOCK_BYTES
