"""Which part of an artifact a request asks for: conditional and range requests of RFC 9110."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from app.jobs.model.job import Artifact

_SINGLE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)
"""No file has more bytes than 18 digits say, and Python refuses to read thousands of them."""

_UNSAFE_IN_QUOTES = re.compile(r"[^A-Za-z0-9 !#$&+.^_`{}~()\[\],;=@-]")


class Unsatisfiable(Exception):
    """No byte of the file lies in the range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def length_bytes(self) -> int:
        return self.end - self.start

    def content_range(self, size_bytes: int) -> str:
        return f"bytes {self.start}-{self.end - 1}/{size_bytes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a request for an artifact is answered."""

    status: HTTPStatus
    headers: dict[str, str]
    part: ByteRange | None
    """The bytes to send; None for none."""


def delivery(artifact: Artifact, asked: Mapping[str, str]) -> Delivery:
    """Choose the answer from the headers of the request. Raises Unsatisfiable."""
    etag = f'"{artifact.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": disposition(artifact.name),
        "Content-Type": artifact.media_type,
    }
    if is_known(asked.get("if-none-match"), etag):
        return Delivery(status=HTTPStatus.NOT_MODIFIED, headers=headers, part=None)
    size_bytes = artifact.size_bytes
    part = wanted(
        range_header=asked.get("range"),
        if_range=asked.get("if-range"),
        etag=etag,
        size_bytes=size_bytes,
    )
    sent = part if part is not None else ByteRange(start=0, end=size_bytes)
    headers["Content-Length"] = str(sent.length_bytes)
    if part is None:
        return Delivery(status=HTTPStatus.OK, headers=headers, part=sent)
    headers["Content-Range"] = part.content_range(size_bytes)
    return Delivery(status=HTTPStatus.PARTIAL_CONTENT, headers=headers, part=sent)


def wanted(
    *, range_header: str | None, if_range: str | None, etag: str, size_bytes: int
) -> ByteRange | None:
    """The part to send, or None for the whole file.

    As RFC 9110 allows, several ranges at once, other units and what does not parse are answered
    with the whole file. Raises Unsatisfiable.
    """
    if range_header is None or (if_range is not None and if_range.strip() != etag):
        return None
    found = _SINGLE_RANGE.fullmatch(range_header.replace(" ", ""))
    if found is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        return _suffix(int(last), size_bytes)
    return _span(int(first), int(last) if last else None, size_bytes)


def _suffix(length: int, size_bytes: int) -> ByteRange:
    if length == 0 or size_bytes == 0:
        raise Unsatisfiable
    return ByteRange(start=max(0, size_bytes - length), end=size_bytes)


def _span(first: int, last: int | None, size_bytes: int) -> ByteRange | None:
    if last is not None and last < first:
        return None
    if first >= size_bytes:
        raise Unsatisfiable
    end = size_bytes if last is None else min(last + 1, size_bytes)
    return ByteRange(start=first, end=end)


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has this very file already (weak comparison, `*` for any)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def disposition(name: str) -> str:
    """A `Content-Disposition` that saves the file and can not be broken out of (RFC 6266)."""
    last_part = name.replace("\\", "/").rsplit("/", 1)[-1] or "file"
    plain = _UNSAFE_IN_QUOTES.sub("_", last_part)
    if plain == last_part:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last_part, safe='')}"
