"""What PubMed tells of an article, out of its XML."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from app.errors import InvalidInput, NotFound, UnsupportedFormat

DEPTH_LIMIT = 60
"""Elements inside each other: PubMed's have a dozen."""

SHOWN_AUTHORS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the abstract."""

    label: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An article with an abstract."""

    pubmed_id: str
    title: str
    authors: tuple[str, ...]
    journal: str | None
    year: str | None
    doi: str | None
    sections: tuple[Section, ...]


def parse_article(content: bytes, *, pubmed_id: str) -> Article:
    """The article of an answer of `efetch` that was asked for this one.

    Raises NotFound (no such article), InvalidInput (no XML, or one that declares entities),
    UnsupportedFormat (no abstract to tell of).
    """
    record = _record(_tree(content), pubmed_id)
    sections = tuple(_sections(record))
    if not sections:
        raise UnsupportedFormat(f"PubMed has no abstract of article {pubmed_id}")
    return Article(
        pubmed_id=pubmed_id,
        title=_first(record, ".//ArticleTitle", ".//BookTitle") or f"PubMed {pubmed_id}",
        authors=tuple(_authors(record)),
        journal=_first(record, ".//Journal/Title", ".//Book/BookTitle", ".//MedlineTA"),
        year=_year(record),
        doi=_first(record, ".//ELocationID[@EIdType='doi']", ".//ArticleId[@IdType='doi']"),
        sections=sections,
    )


def _tree(content: bytes) -> Element:
    builder = TreeBuilder()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_LIMIT:
            raise InvalidInput("PubMed's answer nests deeper than any article")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: object) -> None:
        raise InvalidInput("PubMed's answer declares entities, which no article does")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)  # noqa: FBT003  # expat takes no names
        return builder.close()
    except (expat.ExpatError, AssertionError) as error:
        raise InvalidInput(f"PubMed's answer is no XML: {error}") from error


def _record(tree: Element, pubmed_id: str) -> Element:
    for record in (*tree.iter("PubmedArticle"), *tree.iter("PubmedBookArticle")):
        found = record.find(".//PMID")
        if found is not None and _text(found) == pubmed_id:
            return record
    told = tree.find(".//ERROR")
    reason = f": {_text(told)[:200]}" if told is not None else ""
    raise NotFound(f"PubMed has no article {pubmed_id}{reason}")


def _sections(record: Element) -> Iterator[Section]:
    abstract = record.find(".//Abstract")
    for part in abstract.iterfind("AbstractText") if abstract is not None else ():
        text = _text(part)
        if text:
            yield Section(label=_label(part.get("Label") or part.get("NlmCategory")), text=text)


def _label(written: str | None) -> str | None:
    """
    >>> _label("METHODS AND RESULTS"), _label("UNLABELLED"), _label(None)
    ('Methods and results', None, None)
    """
    words = " ".join((written or "").split())
    if not words or words.upper() in ("UNLABELLED", "UNASSIGNED"):
        return None
    return words.capitalize() if words.isupper() else words


def _authors(record: Element) -> Iterator[str]:
    for author in record.iterfind(".//AuthorList/Author"):
        group = _first(author, "CollectiveName")
        names = [
            _first(author, "ForeName") or _first(author, "Initials"),
            _first(author, "LastName"),
        ]
        name = group or " ".join(part for part in names if part)
        if name:
            yield name


def _year(record: Element) -> str | None:
    written = _first(
        record, ".//JournalIssue/PubDate/Year", ".//JournalIssue/PubDate/MedlineDate", ".//PubDate"
    )
    found = re.search(r"\d{4}", written or "")
    return found[0] if found else None


def _first(element: Element, *paths: str) -> str | None:
    for path in paths:
        found = element.find(path)
        if found is not None and _text(found):
            return _text(found)
    return None


def _text(element: Element) -> str:
    """All text inside, markup and line ends left out; what was escaped twice is mended."""
    whole = "".join(element.itertext())
    whole = re.sub(r"</?(?:i|b|u|em|strong|sup|sub|sc|p|br)\s*/?>", "", whole, flags=re.IGNORECASE)
    return " ".join(whole.split())


def byline(article: Article) -> str:
    """Authors, journal and year in one line."""
    names = ", ".join(article.authors[:SHOWN_AUTHORS])
    if len(article.authors) > SHOWN_AUTHORS:
        names += " and others"
    return ". ".join(part for part in (names, article.journal, article.year) if part)
