"""Files that outlive a job: artifacts and uploads, on a disk or in an object store."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import obstore
from obstore import exceptions, store

from app.errors import CeleriacError, InvalidInput, NotFound, StorageUnavailable

BLOCK_BYTES = 1024 * 1024

LISTED_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """A stored object: what is needed to serve and verify it."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """An object of a listing."""

    key: str
    size_bytes: int
    modified_at: datetime


class ArtifactStore:
    """Objects by key. A key is a relative path such as `jobs/<id>/song.mp3`.

    Raises NotFound for a missing key, InvalidInput for an invalid one, and StorageUnavailable if
    the disk is full or the store does not answer.
    """

    def __init__(self, objects: store.ObjectStore) -> None:
        self._objects = objects

    @classmethod
    def open(cls, *, folder: Path, url: str | None = None) -> "ArtifactStore":
        """Objects under `url` (`s3://bucket/prefix`, `gs://`, `az://`), else under `folder`."""
        if url is not None:
            found = _store_at(url)
            if found is None:
                raise InvalidInput(
                    "STORAGE_URL cannot be used: it is s3://bucket/prefix, gs:// or az://"
                )
            return cls(found)
        with translated("the object store"):
            folder.mkdir(parents=True, exist_ok=True)
            # Folders are removed with their last object.
            return cls(store.LocalStore(folder.resolve(), automatic_cleanup=True))

    def save(self, path: Path, *, key: str) -> StoredObject:
        """Store a file. A former object of the key is replaced atomically."""
        checked = checked_key(key)
        digest, size_bytes = _digest(path)
        with translated(checked):
            obstore.put(self._objects, checked, path)
        return StoredObject(key=checked, size_bytes=size_bytes, sha256=digest)

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to but not including `end`, in blocks. A missing object raises
        before the first block."""
        checked = checked_key(key)
        with translated(checked):
            size_bytes = int(obstore.head(self._objects, checked)["size"])
        return self._blocks(checked, start, size_bytes if end is None else min(end, size_bytes))

    def fetch(self, key: str, to: Path) -> Path:
        """Write the object to a file, whose folder is created; returns the file."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb") as file:
            for block in self.stream(key):
                file.write(block)
        return to

    def size_bytes(self, key: str) -> int:
        with translated(key):
            return int(obstore.head(self._objects, checked_key(key))["size"])

    def exists(self, key: str) -> bool:
        try:
            self.size_bytes(key)
        except NotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove the object, if it exists."""
        try:
            with translated(key):
                obstore.delete(self._objects, checked_key(key))
        except NotFound:
            return

    def keys(self, prefix: str = "") -> list[str]:
        with translated(prefix):
            batches = obstore.list(self._objects, prefix or None)
            return sorted(str(found["path"]) for batch in batches for found in batch)

    def listed(self, prefix: str) -> Iterator[list[ListedObject]]:
        """Every object below the prefix, in batches without an order."""
        with translated(prefix):
            batches = iter(obstore.list(self._objects, prefix, chunk_size=LISTED_AT_ONCE))
        while True:
            with translated(prefix):
                batch = next(batches, None)
            if batch is None:
                return
            yield [
                ListedObject(
                    key=str(found["path"]),
                    size_bytes=int(found["size"]),
                    modified_at=found["last_modified"],
                )
                for found in batch
            ]

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove these objects, as far as they exist."""
        for key in keys:
            self.delete(key)

    def _blocks(self, key: str, start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, BLOCK_BYTES):
            with translated(key):
                block = obstore.get_range(
                    self._objects, key, start=at, end=min(at + BLOCK_BYTES, end)
                )
            yield bytes(block)


def checked_key(key: str) -> str:
    """The key itself. Raises InvalidInput unless it is a plain relative path.

    >>> checked_key("jobs/1/song.mp3")
    'jobs/1/song.mp3'
    """
    parts = key.split("/")
    if any(part in ("", ".", "..") or not part.isprintable() for part in parts):
        raise InvalidInput(f"no key for an object: {key!r}")
    return key


def _store_at(url: str) -> store.ObjectStore | None:
    """`None` for an invalid URL. The library's error quotes the URL, so it is dropped."""
    try:
        return store.from_url(url)
    except (exceptions.BaseError, ValueError):
        return None


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Translate the errors of library and disk to ours."""
    try:
        yield
    except (exceptions.BaseError, OSError) as error:
        raise translate(error, subject) from error


def translate(error: Exception, subject: str) -> CeleriacError:
    """Our error for one of the library's or of the disk."""
    failed = f"{subject!r} could not be stored or read"
    match error:
        case exceptions.NotFoundError() | FileNotFoundError():
            return NotFound(f"no object {subject!r}")
        case exceptions.InvalidPathError():
            return InvalidInput(f"no key for an object: {subject!r}")
        case OSError():
            return StorageUnavailable(f"{failed}: {error.strerror or type(error).__name__}")
        case _:
            detail = (str(error).strip().splitlines() or [type(error).__name__])[0]
            return StorageUnavailable(failed, detail=detail[:300])


def _digest(path: Path) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
                size_bytes += len(block)
    except OSError as error:
        raise translate(error, path.name) from error
    return digest.hexdigest(), size_bytes
