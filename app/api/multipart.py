"""A form with one file, received onto the disk as it comes, never held in memory.

The parser is python-multipart's; what is added is the cap, and that nothing stays on
the disk when the sender goes away half-way.
"""

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import InvalidInput, LimitExceeded, StorageUnavailable, UnsupportedFormat

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

WRITE_BYTES = 1024 * 1024
"""Written at once, in a thread: large enough to make the change of thread cheap."""

FIELD_LIMIT_BYTES = 64 * 1024
FIELD_LIMIT = 50

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}", re.ASCII)
"""RFC 6838, section 4.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFile:
    """A whole file on the disk. The caller moves it away; what is left there gets removed."""

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
    chunks: AsyncIterator[bytes], *, content_type: str, directory: Path, limit_bytes: int
) -> AsyncIterator[Form]:
    """Receive a `multipart/form-data` body whose file stands in a field named `file`.

    Raises UnsupportedFormat (not a form), InvalidInput (no file, two files, broken form),
    LimitExceeded (over `limit_bytes`), StorageUnavailable (the disk is full).
    """
    boundary = _boundary(content_type)
    with _partial_file(directory) as (path, sink):
        receiver = _Receiver(path=path, sink=sink, limit_bytes=limit_bytes)
        yield await _receive(receiver, chunks, boundary)


@contextlib.contextmanager
def _partial_file(directory: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    with _translated_errors():
        directory.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=directory, prefix="upload-", suffix=".part")
    path, sink = Path(name), os.fdopen(descriptor, "wb")
    try:
        yield path, sink
    finally:
        with contextlib.suppress(OSError):  # what a full disk has kept it from writing
            sink.close()
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"the upload can not be written: {error.strerror}") from error


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise UnsupportedFormat("send the file as multipart/form-data, in a field named 'file'")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise InvalidInput("the Content-Type of the form names no boundary")
    return boundary


async def _receive(receiver: "_Receiver", chunks: AsyncIterator[bytes], boundary: bytes) -> Form:
    try:
        parser = MultipartParser(boundary, receiver.callbacks())
        async for chunk in chunks:
            parser.write(chunk)
            if len(receiver.pending) >= WRITE_BYTES:
                await asyncio.to_thread(receiver.write_pending)
        parser.finalize()
    except FormParserError as error:
        raise InvalidInput(f"the form is broken: {error}") from error
    if not receiver.is_ended:
        raise InvalidInput("the form ends before its last boundary")
    await asyncio.to_thread(receiver.finish)
    return receiver.form()


@dataclass(slots=True, kw_only=True)
class _Receiver:
    """Collects what the parser calls out. Not thread-safe: one step follows the other."""

    path: Path
    sink: IO[bytes]
    limit_bytes: int
    pending: bytearray = field(default_factory=bytearray)
    is_ended: bool = False
    _size_bytes: int = 0
    _fields: dict[str, str] = field(default_factory=dict)
    _file: tuple[str, str] | None = None
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _field_name: str | None = None
    _field_data: bytearray = field(default_factory=bytearray)

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def write_pending(self) -> None:
        with _translated_errors():
            self.sink.write(self.pending)
        self.pending.clear()

    def finish(self) -> None:
        self.write_pending()
        with _translated_errors():
            self.sink.flush()

    def form(self) -> Form:
        if self._file is None:
            raise InvalidInput("the form has no file: send one in a field named 'file'")
        filename, media_type = self._file
        if not filename and self._size_bytes == 0:  # as browsers send a field without a choice
            raise InvalidInput("no file was chosen: send one in a field named 'file'")
        file = ReceivedFile(
            path=self.path,
            filename=filename,
            media_type=media_type,
            size_bytes=self._size_bytes,
        )
        return Form(fields=dict(self._fields), file=file)

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = _text(options.get(b"name", b""))
        if b"filename" not in options:
            self._begin_field(name)
            return
        if name != "file" or self._file is not None:
            raise InvalidInput("send one file, in a field named 'file'")
        kind, _ = parse_options_header(self._headers.get(b"content-type"))
        self._field_name = None
        self._file = (_text(options[b"filename"]), _media_type(kind))

    def _begin_field(self, name: str) -> None:
        if len(self._fields) >= FIELD_LIMIT:
            raise InvalidInput(f"a form has {FIELD_LIMIT} fields at most")
        self._field_name = name

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field_name is not None:
            self._field_data += data[start:end]
            if len(self._field_data) > FIELD_LIMIT_BYTES:
                raise LimitExceeded(f"a field is larger than {FIELD_LIMIT_BYTES} bytes")
            return
        self._size_bytes += end - start
        if self._size_bytes > self.limit_bytes:
            raise LimitExceeded(f"the file is larger than {self.limit_bytes} bytes")
        self.pending += data[start:end]

    def _on_part_end(self) -> None:
        if self._field_name is not None:
            self._fields[self._field_name] = _text(bytes(self._field_data))
            self._field_data.clear()
            self._field_name = None

    def _on_end(self) -> None:
        self.is_ended = True


def _media_type(raw: bytes) -> str:
    """The type as it is, when it can stand in a header again."""
    told = raw.decode("latin-1")
    return told if _MEDIA_TYPE.fullmatch(told) else "application/octet-stream"


def _text(raw: bytes) -> str:
    """Names and values as text that can be kept: what is not UTF-8 becomes a replacement mark."""
    return raw.decode("utf-8", "replace").replace("\x00", "\ufffd")
