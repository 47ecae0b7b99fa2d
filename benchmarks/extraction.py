"""What readers find in public test files: ours, the library below it, and an independent reader.

The share of the words that the independent reader finds is the measure, file by file. Files that it
cannot read, or in which it finds nothing, do not count. `ONLY="docx pdf"` runs some of the sets,
`SHOW=10` lists the files with the largest losses, `LIMIT=50` takes that many files of each set.
"""

import codecs
import itertools
import json
import os
import re
import statistics
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pypdfium2
from PIL import Image

from app.documents import child, encoding
from app.documents.child import ChildLimits
from app.documents.items import Block, Item, Page, Refusal
from app.documents.reader_options import DocumentLimits, PdfOptions
from app.documents.web import page_reader
from app.worker import limits as worker_limits
from benchmarks.rig import peers, sets
from benchmarks.rig.sets import Unavailable

ONLY = os.environ.get("ONLY", "").split()
SHOW = int(os.environ.get("SHOW", "0"))
LIMIT = int(os.environ.get("LIMIT", "0"))
KEEP = os.environ.get("KEEP")
"""A JSON file: the counts of each file are written to it, and compared with those that it has."""

CHILD = ChildLimits(memory_bytes=3 * 1024**3 // 2, cpu_s=60, timeout_s=180.0)

LOST = 0.5
"""A file of which less is found counts as lost."""

Read = Callable[[Path], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """Files of one format, and who reads them."""

    packages: tuple[str, ...]
    pattern: str
    ours: Read
    bare: Read
    independent: Read
    is_distinct: bool = False
    """Whether each word counts once."""


@dataclass(slots=True)
class Result:
    """What was found of one set."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    refused: int = 0
    words: dict[str, int] = field(default_factory=dict)


def words(text: str) -> Counter[str]:
    """Words without regard to case and to forms of letters that only a font tells apart."""
    return Counter(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def share(found: str, wanted: Counter[str], *, is_distinct: bool) -> float:
    """How many of the wanted words were found."""
    have = words(found)
    if is_distinct:
        return sum(word in have for word in wanted) / len(wanted)
    return sum(min(count, have[word]) for word, count in wanted.items()) / wanted.total()


def document(path: Path) -> str:
    """Our text of a document, by the reader in its child process."""
    return _read("app.documents.reader", [str(path), path.name, json.dumps(asdict(DOCUMENT))])


def pdf(path: Path) -> str:
    """Our text of a PDF, scans recognised."""
    with tempfile.TemporaryDirectory() as folder:
        options = json.dumps(asdict(PdfOptions(has_images=False)))
        return _read("app.documents.pdf.pdf_reader", [str(path), folder, options])


def page(path: Path) -> str:
    """Our text of a web page."""
    content = path.read_bytes().replace(b"noindex", b"")  # the words count, not who may see them
    found = page_reader.read(content, url="http://localhost/", media_type="text/html")
    return "".join(item.joint + item.text for item in found if isinstance(item, Block))


DOCUMENT = DocumentLimits()


def _read(program: str, arguments: list[str]) -> str:
    text: list[str] = []

    def take(item: Item) -> None:
        match item:
            case Block(text=some, joint=joint):
                text.append(joint + some)
            case Page():
                text.append("\n")
            case Refusal() as refusal:
                raise child.refused(refusal)

    child.read_items(
        program, arguments, on_item=take, child_limits=CHILD, run=worker_limits.run_process
    )
    return "".join(text)


SETS: Mapping[str, Set] = {
    "docx": Set(
        packages=("debian:libapache-poi-java", "debian:pandoc", "pypi:python-docx==1.2.0"),
        pattern=r"\.(docx|docm|dotx|dotm)$",
        ours=document,
        bare=peers.python_docx,
        independent=peers.pandoc_docx,
    ),
    "xlsx": Set(
        packages=("debian:libapache-poi-java", "pypi:frictionless==5.21.0", "pypi:csvkit==2.2.0"),
        pattern=r"\.(xlsx|xlsm|xltx)$",
        ours=document,
        bare=peers.calamine,
        independent=peers.openpyxl_values,
        is_distinct=True,
    ),
    "pdf": Set(
        packages=(
            *("debian:pdf.js", "debian:libpdfbox-java", "debian:pdfminer", "debian:pypdf"),
            *("pypi:pikepdf==10.18.0", "pypi:ocrmypdf==17.13.0"),
        ),
        pattern=r"\.pdf$",
        ours=document,
        bare=peers.pdfium,
        independent=peers.pdftotext,
    ),
    "csv": Set(
        packages=("pypi:frictionless==5.21.0", "pypi:csvkit==2.2.0", "pypi:agate==1.14.2"),
        pattern=r"\.(csv|tsv)$",
        ours=document,
        bare=peers.csv_sniffer,
        independent=peers.plain_words,
        is_distinct=True,
    ),
    "html": Set(
        packages=("pypi:newspaper4k==0.9.6", "pypi:trafilatura==2.3.1", "pypi:goose3==3.1.22"),
        pattern=r"\.html$",
        ours=page,
        bare=peers.trafilatura_text,
        independent=peers.trafilatura_text,
    ),
}


def main() -> None:
    kept = json.loads(Path(KEEP).read_text()) if KEEP and Path(KEEP).exists() else {}
    found: dict[str, dict[str, int]] = {}
    print("| Set | files | ours | below half | refused | bare library | slowest, median |")
    print("|---|---|---|---|---|---|---|")
    for name, each in SETS.items():
        if not ONLY or name in ONLY:
            result = _guarded(name, lambda each=each: measured(each))
            if result is not None:
                print(_row(name, result), flush=True)
                found[name] = result.words
                _compare(name, kept.get(name, {}), result.words)
    for name, measure in (("encodings", encodings), ("articles", articles), ("scans", scans)):
        if not ONLY or name in ONLY:
            told = _guarded(name, measure)
            if told is not None:
                print(told, flush=True)
    if KEEP:
        Path(KEEP).write_text(json.dumps({**kept, **found}, indent=0, sort_keys=True))


def _guarded(name: str, measure: Callable[[], object]) -> object:
    try:
        return measure()
    except Unavailable as error:
        print(f"{name}: SKIPPED, {error}", file=sys.stderr)
        return None


def measured(each: Set) -> Result:
    """Read every file of a set by all three."""
    result = Result()
    with tempfile.TemporaryDirectory() as name:
        paths = []
        for number, (key, content) in enumerate(sorted(each_file(each).items())):
            path = Path(name) / f"{number:04}-{Path(key).name}"
            path.write_bytes(content)
            paths.append((key, path))
        with ThreadPoolExecutor(2) as pool:
            for told in pool.map(lambda pair: _measured(each, *pair), paths):
                if told is not None:
                    _add(result, *told)
    return result


def each_file(each: Set) -> dict[str, bytes]:
    found = sets.files(each.packages, each.pattern)
    different = {content: name for name, content in sorted(found.items(), reverse=True)}
    names = sorted((name, content) for content, name in different.items())
    return dict(names[:LIMIT] if LIMIT else names)


def _measured(
    each: Set, key: str, path: Path
) -> tuple[str, str | None, float, float, float] | None:
    wanted = words(_safely(each.independent, path) or "")
    if not wanted:
        return None
    begun_s = time.monotonic()
    text = _safely(each.ours, path)
    took_s = time.monotonic() - begun_s
    ours = share(text or "", wanted, is_distinct=each.is_distinct)
    bare = share(_safely(each.bare, path) or "", wanted, is_distinct=each.is_distinct)
    return key, text, ours, bare, took_s


def _safely(read: Read, path: Path) -> str | None:
    try:
        return read(path)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001  # another reader may fail in any way
        if SHOW:
            print(f"  {read.__name__} {path.name}: {error!r}"[:300], file=sys.stderr)
        return None


def _add(
    result: Result, key: str, text: str | None, ours: float, bare: float, took_s: float
) -> None:
    result.names.append(key)
    result.ours.append(ours)
    result.bare.append(bare)
    result.seconds.append(took_s)
    result.refused += text is None
    result.words[key] = sum(words(text or "").values())


def _row(name: str, result: Result) -> str:
    lost = sum(each < LOST for each in result.ours)
    if SHOW:
        worst = sorted(zip(result.ours, result.names, result.bare, strict=True))[:SHOW]
        for ours, file, bare in worst:
            print(f"  {ours:.3f} (bare {bare:.3f}) {file}", file=sys.stderr)
    return (
        f"| {name} | {len(result.ours)} | {statistics.mean(result.ours):.4f} | {lost} | "
        f"{result.refused} | {statistics.mean(result.bare):.4f} | "
        f"{max(result.seconds):.1f} s, {statistics.median(result.seconds):.2f} s |"
    )


def _compare(name: str, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Name the files that read less than at the run before."""
    less = {
        key: (count, after[key]) for key, count in before.items() if after.get(key, count) < count
    }
    for key, (was, now) in sorted(less.items()):
        print(f"  less than before: {name} {key}: {was} -> {now} words", file=sys.stderr)


ENCODINGS = ("pypi:chardet==5.2.0", "debian:uchardet")
CUT, LEAD = 300, 100
"""Characters of a text, and how many of them stand in front of the first one beyond ASCII."""


def encodings() -> str:
    """Texts whose folder or name tells their encoding, cut short."""
    right = bare = count = told = 0
    for label, sample in _labelled(sets.files(ENCODINGS, r"/tests?/[^/]+/[^/]+$")):
        text = sample.decode(label)
        count += 1
        found = encoding.decoded(sample)
        is_right = found.text == text
        right += is_right
        told += not is_right and found.guess.confidence < encoding.TOLD_BELOW
        bare += peers.chardet_text(sample) == text
        if SHOW and not is_right:
            print(f"  {label}: {found.guess} {found.text[80:140]!r}", file=sys.stderr)
    return (
        f"| encodings | {count} | {right / count:.4f} | {count - right} garbled, "
        f"{told} with a warning | | {bare / count:.4f} | |"
    )


def _labelled(found: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for name, content in sorted(found.items()):
        path = Path(name.lower())
        labels = (
            re.sub(r"-[a-z]{4,}$", "", path.parent.name),
            path.stem,
            path.name.replace(".", "-"),
        )
        for label in labels:
            try:
                text = content.decode(label.replace("ibm", "cp"))
                is_text = codecs.lookup(label).name not in ("ascii", "utf-8", "utf-8-sig")
            except (LookupError, UnicodeDecodeError):
                continue
            if is_text and not text.isascii():
                first = next(at for at, letter in enumerate(text) if not letter.isascii())
                cut = text[max(0, first - LEAD) :][:CUT]
                yield label, cut.encode(label)
            break


ARTICLES = ("pypi:newspaper4k==0.9.6",)


def articles() -> str:
    """Articles beside their text as a person cut it out: what is kept of it, and what is added."""
    found = sets.files(ARTICLES, r"tests/data/(html|txt)/")
    pages = {Path(name).stem: content for name, content in found.items() if "/html/" in name}
    texts = {Path(name).stem: content for name, content in found.items() if "/txt/" in name}
    kept: dict[str, list[float]] = {"ours": [], "bare": []}
    added: dict[str, int] = {"ours": 0, "bare": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        for stem in sorted(pages.keys() & texts.keys()):
            path.write_bytes(pages[stem])
            wanted = words(texts[stem].decode("utf-8", "replace"))
            for who, read in (("ours", page), ("bare", peers.trafilatura_text)):
                text = _safely(read, path) or ""
                kept[who].append(share(text, wanted, is_distinct=False))
                added[who] += (words(text) - wanted).total()
            if SHOW:
                print(f"  {kept['ours'][-1]:.3f} {kept['bare'][-1]:.3f} {stem}", file=sys.stderr)
    return (
        f"| articles | {len(kept['ours'])} | {statistics.mean(kept['ours']):.4f} | "
        f"{added['ours']} words added | | {statistics.mean(kept['bare']):.4f}, "
        f"{added['bare']} added | |"
    )


DRAWN = ("debian:pdfminer", "debian:libpdfbox-java", "pypi:ocrmypdf==17.13.0")
PAGES, PAGES_OF_ONE, FEWEST_WORDS, DPI = 38, 4, 80, 200
TURNS = {
    "upright": 0.0,
    "sideways": 90.0,
    "upside down": 180.0,
    "turned left": 270.0,
    "skewed": 4.0,
}


def scans() -> str:
    """Pages of text drawn as pictures, turned, and recognised. The words drawn are known."""
    lines = []
    with tempfile.TemporaryDirectory() as name:
        drawn = list(itertools.islice(_drawn(Path(name)), LIMIT or PAGES))
        if not drawn:
            raise Unavailable("no pages of text")
        for turn, degrees in TURNS.items():
            shares, seconds = [], []
            for number, (image, wanted) in enumerate(drawn):
                path = Path(name) / f"{number}-{degrees}.pdf"
                turned = image.rotate(degrees, expand=True, fillcolor=255)
                turned.save(path, resolution=DPI)
                begun_s = time.monotonic()
                shares.append(share(_safely(pdf, path) or "", wanted, is_distinct=False))
                seconds.append(time.monotonic() - begun_s)
            lost = sum(each < LOST for each in shares)
            lines.append(
                f"| scans, {turn} | {len(shares)} | {statistics.mean(shares):.4f} | {lost} | | | "
                f"{max(seconds):.1f} s, {statistics.median(seconds):.2f} s |"
            )
    return "\n".join(lines)


def _drawn(folder: Path) -> Iterator[tuple[Image.Image, Counter[str]]]:
    found = sets.files(DRAWN, r"\.pdf$")
    for content in dict.fromkeys(content for _, content in sorted(found.items())):
        path = folder / "text.pdf"
        path.write_bytes(content)
        try:
            document = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError:
            continue
        for page_number in range(min(len(document), PAGES_OF_ONE)):
            text = document[page_number].get_textpage().get_text_bounded()
            wanted = words(text)
            if text.isascii() and len(wanted) >= FEWEST_WORDS:
                bitmap = document[page_number].render(scale=DPI / 72, grayscale=True)
                yield bitmap.to_pil(), wanted


if __name__ == "__main__":
    main()
