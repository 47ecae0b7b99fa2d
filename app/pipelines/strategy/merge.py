"""Make one strategy of what was found in the pieces of a text."""

import re
from collections.abc import Iterable, Sequence

from app.pipelines.strategy.question import Proven
from app.pipelines.strategy.schema import FIELDS, Direction, Finding, Findings, Quote

ALIKE = 0.7
"""Part of the words that two findings share, from which on they say the same, if they also rest on
the same words of the content."""


def merged(parts: Sequence[Proven]) -> Proven:
    """Each finding once, in the order of the content."""
    found = {
        field: once(finding for part in parts for finding in getattr(part.findings, field))
        for field in FIELDS
    }
    summaries = dict.fromkeys(part.summary for part in parts if part.summary)
    return Proven(
        name=next((part.name for part in parts if part.name), None),
        summary="\n\n".join(summaries),
        findings=Findings.model_validate(found),
        unproven=sum(part.unproven for part in parts),
    )


def once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, those that say the same joined to one with the evidence of all."""
    kept: list[Finding] = []
    for finding in findings:
        place = next((place for place, one in enumerate(kept) if _is_same(one, finding)), None)
        if place is None:
            kept.append(finding)
        else:
            kept[place] = _joined(kept[place], finding)
    return tuple(kept)


def _is_same(one: Finding, other: Finding) -> bool:
    """The same words, or nearly so about the same passage; the same numbers in any case."""
    if Direction.UNSPECIFIED not in (one.direction, other.direction) and (
        one.direction is not other.direction
    ):
        return False
    words, others = _words(one.text), _words(other.text)
    if words == others:
        return True
    if _numbers(one.text) != _numbers(other.text) or not _share_evidence(one, other):
        return False
    first, second = set(words), set(others)
    return len(first & second) >= ALIKE * len(first | second)


def _joined(one: Finding, other: Finding) -> Finding:
    evidence: list[Quote] = []
    for quote in sorted(
        {*one.evidence, *other.evidence}, key=lambda quote: (quote.start, -quote.end)
    ):
        if not evidence or quote.end > evidence[-1].end:
            evidence.append(quote)
    direction = other.direction if one.direction is Direction.UNSPECIFIED else one.direction
    return Finding(text=one.text, direction=direction, evidence=tuple(evidence))


def _share_evidence(one: Finding, other: Finding) -> bool:
    return any(
        mine.start < theirs.end and theirs.start < mine.end
        for mine in one.evidence
        for theirs in other.evidence
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[\w%$€£]+(?:[.,]\d+)*", text.lower())


def _numbers(text: str) -> list[str]:
    return sorted(re.findall(r"\d+(?:[.,]\d+)*", text))
