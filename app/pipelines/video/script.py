"""The script of the film: sentences of the article, scene by scene."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.pipelines.video import article as articles
from app.pipelines.video.article import Article, Section

_ABBREVIATIONS = frozenset(
    {
        *("al", "approx", "ca", "cf", "dr", "e.g", "eq", "et", "fig", "figs", "i.e", "incl"),
        *("mr", "mrs", "ms", "nr", "prof", "ref", "refs", "resp", "sp", "spp", "st", "vs"),
    }
)

_END = re.compile(r"[.!?][\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9\u0370-\u03ff])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The sentences under one heading."""

    heading: str
    sentences: tuple[str, ...]
    is_title: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The whole film."""

    scenes: tuple[Scene, ...]
    source: str
    """The source, shown on each slide."""


def build_script(article: Article, *, words: int) -> Script:
    """A title, then the abstract. Above `words` words, each section drops sentences from its
    middle: its first and last sentences usually hold subject and conclusion."""
    opening = Scene(heading=article.title, sentences=_opening(article), is_title=True)
    kept = _shortened([sentences(section.text) for section in article.sections], words=words)
    scenes = [
        Scene(heading=_heading(section), sentences=tuple(chosen))
        for section, chosen in zip(article.sections, kept, strict=True)
    ]
    source = f"PubMed {article.pubmed_id}" + (f"  |  doi {article.doi}" if article.doi else "")
    return Script(scenes=(opening, *scenes), source=source)


def sentences(text: str) -> list[str]:
    """
    >>> sentences("We saw 3.5 mg vs. 4 mg (p = 0.02). It worked in S. aureus. Did it?")
    ['We saw 3.5 mg vs. 4 mg (p = 0.02).', 'It worked in S. aureus.', 'Did it?']
    """
    return list(_sentences(text))


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(text):
        sentence = text[start : end.end()].strip()
        if not _is_abbreviation(sentence):
            yield sentence
            start = end.end()
    if text[start:].strip():
        yield text[start:].strip()


def _is_abbreviation(sentence: str) -> bool:
    last = sentence.rsplit(None, 1)[-1].lstrip("([\"'")
    is_initial = re.fullmatch(r"[A-Z]\.", last) is not None
    return last.endswith(".") and (is_initial or last[:-1].lower() in _ABBREVIATIONS)


def _opening(article: Article) -> tuple[str, ...]:
    line = articles.byline(article)
    return (line,) if line else ()


def _heading(section: Section) -> str:
    return section.label if section.label is not None else "Abstract"


def _shortened(sections: Sequence[list[str]], *, words: int) -> list[list[str]]:
    kept = [list(part) for part in sections]
    left = _words(kept) - words
    while left > 0:
        longest = max(kept, key=lambda part: (len(part) > 1, _words([part])))
        if len(longest) < 2:
            break
        dropped = longest.pop((len(longest) - 1) // 2 if len(longest) > 2 else 0)
        left -= len(dropped.split())
    return kept


def _words(sections: Sequence[Sequence[str]]) -> int:
    return sum(len(sentence.split()) for part in sections for sentence in part)
