"""A form with one file, which is streamed to the disk.

Starlette's parser reads the form. This module adds the folder, limits that apply during the upload,
and the removal of files of refused and interrupted uploads.
"""

import contextlib
import re
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.errors import InvalidInput, LimitExceeded, StorageUnavailable, UnsupportedFormat

FIELD_LIMIT_BYTES = 64 * 1024
FIELD_LIMIT = 50

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}", re.ASCII)
"""RFC 6838, section 4.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFile:
    """A complete file on the disk. It is removed when the caller is done, unless it was moved."""

    path: Path
    filename: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The fields of a form by name, and its file."""

    fields: dict[str, str]
    file: ReceivedFile


@contextlib.asynccontextmanager
async def received(
    chunks: AsyncGenerator[bytes, None], *, content_type: str, directory: Path, limit_bytes: int
) -> AsyncIterator[Form]:
    """Receive a `multipart/form-data` body whose file is in a field named `file`.

    Raises UnsupportedFormat (not a form), InvalidInput (no file, two files, broken form),
    LimitExceeded (over `limit_bytes`), StorageUnavailable (the disk is full).
    """
    headers = _headers(content_type)
    with _partial_file(directory) as (path, sink):
        parser = _Parser(headers, chunks, sink=sink, limit_bytes=limit_bytes)
        yield await _parsed(parser, path)


def _headers(content_type: str) -> Headers:
    """What the parser reads: without a charset, which could be any codec of Python. Forms are UTF-8
    (RFC 7578, section 5.1.2)."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise UnsupportedFormat("send the file as multipart/form-data, in a field named 'file'")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise InvalidInput("the Content-Type of the form names no boundary")
    quoted = boundary.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return Headers(raw=[(b"content-type", b'multipart/form-data; boundary="' + quoted + b'"')])


@contextlib.contextmanager
def _partial_file(directory: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    with _translated_errors():
        directory.mkdir(parents=True, exist_ok=True)
        sink = tempfile.NamedTemporaryFile(  # noqa: SIM115  # closed below
            dir=directory, prefix="upload-", suffix=".part", delete=False
        )
    path = Path(sink.name)
    try:
        yield path, sink
    finally:
        with contextlib.suppress(OSError):  # a full disk cannot take what is still buffered
            sink.close()
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"the upload cannot be written: {error.strerror}") from error


class _Parser(MultiPartParser):
    """Starlette's parser, which alone writes files of any size to the system's temporary folder."""

    def __init__(
        self,
        headers: Headers,
        stream: AsyncGenerator[bytes, None],
        *,
        sink: IO[bytes],
        limit_bytes: int,
    ) -> None:
        super().__init__(headers, stream, max_files=1, max_fields=FIELD_LIMIT)
        self.is_ended = False
        self._sink = sink
        self._limit_bytes = limit_bytes
        self._part_bytes = 0

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        self._part_bytes = 0
        part = self._current_part
        if part.file is None:
            return
        if part.field_name != "file":
            raise InvalidInput("send one file, in a field named 'file'")
        part.file.file.close()
        part.file.file = self._sink  # type: ignore[assignment]  # any binary file will do

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._part_bytes += end - start
        if self._current_part.file is None and self._part_bytes > FIELD_LIMIT_BYTES:
            raise LimitExceeded(f"a field is larger than {FIELD_LIMIT_BYTES} bytes")
        if self._part_bytes > self._limit_bytes:
            raise LimitExceeded(f"the file is larger than {self._limit_bytes} bytes")
        super().on_part_data(data, start, end)

    def on_end(self) -> None:
        self.is_ended = True


async def _parsed(parser: _Parser, path: Path) -> Form:
    try:
        with _translated_errors():
            found = await parser.parse()
    except MultiPartException as error:
        raise InvalidInput(f"the form is broken: {error.__cause__ or error.message}") from error
    if not parser.is_ended:
        raise InvalidInput("the form ends before its last boundary")
    file = found.get("file")
    if not isinstance(file, UploadFile):
        raise InvalidInput("the form has no file: send one in a field named 'file'")
    if not file.filename and not file.size:  # what browsers send if no file was chosen
        raise InvalidInput("no file was chosen: send one in a field named 'file'")
    with _translated_errors():
        await run_in_threadpool(file.file.flush)
    return Form(
        fields={
            _text(name): _text(value) for name, value in found.items() if isinstance(value, str)
        },
        file=ReceivedFile(
            path=path,
            filename=_text(file.filename or ""),
            media_type=_media_type(file.content_type or ""),
            size_bytes=file.size or 0,
        ),
    )


def _media_type(header: str) -> str:
    """The type without its parameters, if it is a valid one."""
    kind = header.partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else "application/octet-stream"


def _text(given: str) -> str:
    return given.replace("\x00", "\ufffd")
