"""The program that reads one document: `python -m app.documents.reader PATH NAME LIMITS`.

It prints items, one JSON object per line (`items.to_json`). LIMITS is a JSON object with the fields
of `DocumentLimits`. For a document that cannot be read it prints a `Refusal` and exits with code 0.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.documents import items, sniff
from app.documents.items import Block, Fact, Item, Position, Refusal
from app.documents.office import ooxml
from app.documents.reader_options import DocumentLimits
from app.documents.sniff import FileKind
from app.errors import InvalidInput, LimitExceeded, PermanentError

POSITIONS_APART_S = 0.1
"""A table of short rows would be mostly positions, and progress is not shown more often."""


def main() -> None:
    path, name, limits = sys.argv[1:]
    for item in read(Path(path), name=name, limits=DocumentLimits(**json.loads(limits))):
        sys.stdout.write(json.dumps(items.to_json(item)) + "\n")
        if isinstance(item, Position):
            sys.stdout.flush()


def read(path: Path, *, name: str, limits: DocumentLimits) -> Iterator[Item]:
    """The items of the document."""
    try:
        yield from thinned(_limited(_read(path, name, limits), limits))
    except PermanentError as error:
        yield Refusal(error=error.type, message=str(error))


def _read(path: Path, name: str, limits: DocumentLimits) -> Iterator[Item]:
    kind = kind_of(path, name=name, limits=limits)
    yield Fact(name="format", value=kind.value)
    # Each library is imported for its own format only: the child starts fast and stays small.
    match kind:
        case FileKind.PDF:
            from app.documents.pdf import pages

            yield from pages.read(path, limits)
        case FileKind.DOCX:
            from app.documents.office.word import document

            yield from document.read(path, limits)
        case FileKind.XLSX:
            from app.documents.office import workbook

            yield from workbook.read(path, limits)
        case FileKind.CSV:
            from app.documents import text_and_csv

            yield from text_and_csv.read_csv(path)
        case FileKind.MARKDOWN:
            from app.documents import text_and_csv

            yield from text_and_csv.read_markdown(path)
        case FileKind.TEXT:
            from app.documents import text_and_csv

            yield from text_and_csv.read_text(path)


def kind_of(path: Path, *, name: str, limits: DocumentLimits) -> FileKind:
    """What the file is. Raises InvalidInput, UnsupportedFormat, PasswordNeeded, LimitExceeded."""
    with path.open("rb") as file:
        head = file.read(sniff.HEAD_BYTES)
        rest = file.read(1024 * 1024) if sniff.is_ole(head) else b""
    found = sniff.kind_of(head, name=name, is_encrypted_office=sniff.says_encrypted(head + rest))
    if found is not None:
        return found
    names = ooxml.checked_names(path, limits)
    return sniff.kind_of_archive(names, content_types=ooxml.content_types(path))


def _limited(found: Iterator[Item], limits: DocumentLimits) -> Iterator[Item]:
    characters = 0
    for item in found:
        if isinstance(item, Block):
            characters += len(item.text)
            if characters > limits.characters:
                raise LimitExceeded(
                    f"the document has more than {limits.characters} characters of text"
                )
        yield item
    if not characters:
        raise InvalidInput("there is no text in the document")


def thinned(
    found: Iterator[Item], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Item]:
    """The items with the positions left out that come too soon; the last one stays."""
    waiting: Position | None = None
    reported_at = clock()
    for item in found:
        if not isinstance(item, Position):
            yield item
            continue
        waiting = item
        if clock() - reported_at >= POSITIONS_APART_S:
            yield waiting
            waiting, reported_at = None, clock()
    if waiting is not None:
        yield waiting


if __name__ == "__main__":
    main()
