"""Read content piece by piece with a language model, and tell the strategy that it describes."""

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ValidationError

from app.jobs.model.work import Work
from app.llm import names, spending
from app.llm.asking import Asker
from app.llm.names import Choice
from app.llm.spending import Spent
from app.pipelines import disk
from app.pipelines.strategy import content, merge, pieces, question
from app.pipelines.strategy.pieces import Piece
from app.pipelines.strategy.question import Proven
from app.pipelines.strategy.schema import Strategy, StrategyParams, Usage


class Read(BaseModel):
    """What one piece gave, as it is kept for the next attempt."""

    proven: Proven
    spent: Spent


def extract(params: StrategyParams, work: Work) -> Strategy:
    """Ask the model about each piece, check its quotes, and merge what it found.

    Pieces that were read by an earlier attempt are not paid for again. Raises NotConfigured,
    InvalidInput, UnsupportedFormat, ModelRefused, UnusableAnswer, LimitExceeded, KeyRefused,
    NotFound, RateLimited, RetryableError, StorageUnavailable, and what the work raises to stop.
    """
    settings = work.platform.settings.llm
    choice = names.parse_model(params.model or settings.default_model)
    proxy_url = work.platform.settings.fetch.proxy_url
    read: list[Read] = []
    with disk.watched(), Asker(choice, settings, proxy_url=proxy_url, on_wait=work.check) as asker:
        cut = pieces.cut(content.of_params(params, work), settings)
        for number, piece in enumerate(cut):
            count = f"{number + 1} of {len(cut)}"
            work.progress(100 * number / len(cut), f"reading piece {count}")
            place = f", part {count}" if len(cut) > 1 else ""
            read.append(_read(piece, params, choice, place, asker, work))
    work.progress(100, f"read {len(cut)} pieces")
    return _strategy(read, params, choice)


def _read(
    piece: Piece, params: StrategyParams, choice: Choice, place: str, asker: Asker, work: Work
) -> Read:
    kept = work.directory / _name(piece, params, choice)
    known = _known(kept)
    if known is not None:
        return known
    asked = question.build_question(piece, content_type=params.content_type, place=place)
    answer = asker.ask(asked)
    read = Read(proven=question.proven(answer.output, piece), spent=answer.spent)
    fresh = kept.with_suffix(".new")
    fresh.write_text(read.model_dump_json(), encoding="utf-8")
    fresh.replace(kept)
    return read


def _name(piece: Piece, params: StrategyParams, choice: Choice) -> str:
    told = json.dumps([str(choice), params.content_type, piece.start, piece.text])
    return f"piece-{hashlib.sha256(told.encode()).hexdigest()[:32]}.json"


def _known(kept: Path) -> Read | None:
    try:
        return Read.model_validate_json(kept.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _strategy(read: list[Read], params: StrategyParams, choice: Choice) -> Strategy:
    whole = merge.merged([one.proven for one in read])
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
