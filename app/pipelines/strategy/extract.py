"""Extract a trading strategy from content, piece by piece, with a language model."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from app.documents import encoding, items
from app.errors import InvalidInput, LimitExceeded, UnsupportedFormat
from app.jobs.model.work import Work
from app.llm import names, spending
from app.llm.asking import Asker
from app.llm.names import Choice
from app.llm.spending import Spent
from app.pipelines import disk
from app.pipelines.strategy import question
from app.pipelines.strategy.question import Piece, Proven
from app.pipelines.strategy.schema import (
    FIELDS,
    Direction,
    Quote,
    Strategy,
    StrategyFinding,
    StrategyFindings,
    StrategyParams,
    Usage,
)

_FILE = "content"

BYTES_PER_CHARACTER = 4
"""Most bytes per character of any encoding."""

ALIKE = 0.7
"""Share of common words from which two findings with overlapping evidence are the same."""


def read_content(params: StrategyParams, work: Work) -> str:
    """Raises NotFound, InvalidInput (no text), UnsupportedFormat, LimitExceeded."""
    if params.content is not None:
        return params.content
    upload = work.stores.uploads.get(params.upload_id or "")
    most = work.settings.llm.content_characters * BYTES_PER_CHARACTER
    if upload.size_bytes > most:
        raise LimitExceeded(f"the file has {upload.size_bytes} bytes; the limit is {most}")
    return _text(work.stores.uploads.fetch(upload.id, work.directory / _FILE))


def _text(path: Path) -> str:
    written = encoding.decoded(path.read_bytes()).text
    if "\x00" in written or written.startswith("%PDF"):
        raise UnsupportedFormat("not a text file: send its text")
    text = items.clean(written)
    if not text.strip():
        raise InvalidInput("the file has no text")
    return text


def merged(parts: Sequence[Proven]) -> Proven:
    """The findings without repeats, in the order of the content."""
    found = {
        field: without_repeats(
            finding for part in parts for finding in getattr(part.findings, field)
        )
        for field in FIELDS
    }
    summaries = dict.fromkeys(part.summary for part in parts if part.summary)
    return Proven(
        name=next((part.name for part in parts if part.name), None),
        summary="\n\n".join(summaries),
        findings=StrategyFindings.model_validate(found),
        unproven=sum(part.unproven for part in parts),
    )


def without_repeats(findings: Iterable[StrategyFinding]) -> tuple[StrategyFinding, ...]:
    """Merge findings that say the same, with the evidence of all."""
    kept: list[StrategyFinding] = []
    for finding in findings:
        place = next((place for place, one in enumerate(kept) if _is_same(one, finding)), None)
        if place is None:
            kept.append(finding)
        else:
            kept[place] = _joined(kept[place], finding)
    return tuple(kept)


def _is_same(one: StrategyFinding, other: StrategyFinding) -> bool:
    """Same words, or similar words about one passage; always the same numbers."""
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


def _joined(one: StrategyFinding, other: StrategyFinding) -> StrategyFinding:
    evidence: list[Quote] = []
    for quote in sorted(
        {*one.evidence, *other.evidence}, key=lambda quote: (quote.start, -quote.end)
    ):
        if not evidence or quote.end > evidence[-1].end:
            evidence.append(quote)
    direction = other.direction if one.direction is Direction.UNSPECIFIED else one.direction
    return StrategyFinding(text=one.text, direction=direction, evidence=tuple(evidence))


def _share_evidence(one: StrategyFinding, other: StrategyFinding) -> bool:
    return any(
        mine.start < theirs.end and theirs.start < mine.end
        for mine in one.evidence
        for theirs in other.evidence
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[\w%$€£]+(?:[.,]\d+)*", text.lower())


def _numbers(text: str) -> list[str]:
    return sorted(re.findall(r"\d+(?:[.,]\d+)*", text))


class ReadText(BaseModel):
    """Result of one piece, kept for the next attempt."""

    proven: Proven
    spent: Spent


def extract(params: StrategyParams, work: Work) -> Strategy:
    """Ask the model about each piece, check its quotes, and merge the findings.

    Pieces that an earlier attempt has read are not sent again. Raises NotConfigured, InvalidInput,
    UnsupportedFormat, ModelRefused, UnusableAnswer, LimitExceeded, KeyRefused, NotFound,
    RateLimited, RetryableError, StorageUnavailable, and the errors of `check`.
    """
    settings = work.settings.llm
    choice = names.parse_model(params.model or settings.default_model)
    proxy_url = work.settings.fetch.proxy_url
    read: list[ReadText] = []
    with (
        disk.full_disk_retried(),
        Asker(
            choice, settings, proxy_url=proxy_url, on_wait=work.check, budget=work.jobs.quotas
        ) as asker,
    ):
        cut = question.cut_pieces(read_content(params, work), settings)
        for number, piece in enumerate(cut):
            count = f"{number + 1} of {len(cut)}"
            work.progress(100 * number / len(cut), f"reading piece {count}")
            place = f", part {count}" if len(cut) > 1 else ""
            read.append(_read(piece, params, choice, place, asker, work))
    work.progress(100, f"read {len(cut)} pieces")
    return _strategy(read, params, choice)


def _read(
    piece: Piece, params: StrategyParams, choice: Choice, place: str, asker: Asker, work: Work
) -> ReadText:
    kept = work.directory / _name(piece, params, choice)
    known = _known(kept)
    if known is not None:
        return known
    asked = question.build_question(piece, content_type=params.content_type, place=place)
    answer = asker.ask(asked)
    read = ReadText(proven=question.proven(answer.output, piece), spent=answer.spent)
    fresh = kept.with_suffix(".new")
    fresh.write_text(read.model_dump_json(), encoding="utf-8")
    fresh.replace(kept)
    return read


def _name(piece: Piece, params: StrategyParams, choice: Choice) -> str:
    identity = json.dumps([str(choice), params.content_type, piece.start, piece.text])
    return f"piece-{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"


def _known(kept: Path) -> ReadText | None:
    try:
        return ReadText.model_validate_json(kept.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _strategy(read: list[ReadText], params: StrategyParams, choice: Choice) -> Strategy:
    whole = merged([one.proven for one in read])
    spent = spending.total(one.spent for one in read)
    found = whole.findings
    return Strategy(
        **{name: getattr(found, name) for name in type(found).model_fields},
        has_strategy=bool(found.entry_rules or found.exit_rules or found.risk_rules),
        name=whole.name,
        summary=whole.summary,
        unproven=whole.unproven,
        pieces=len(read),
        content_type=params.content_type,
        model=str(choice),
        usage=Usage.model_validate(spent, from_attributes=True),
        cost_usd=spent.cost_usd,
    )
