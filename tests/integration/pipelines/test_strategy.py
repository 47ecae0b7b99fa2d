"""Strategies from a real server that speaks both APIs on the wire, with its faults."""

import re
import threading
import time
from typing import Any

import pytest

from app.errors import (
    Cancelled,
    CeleriacError,
    InvalidInput,
    KeyRefused,
    LimitExceeded,
    ModelRefused,
    NotConfigured,
    NotFound,
    PermanentError,
    RateLimited,
    RetryableError,
    UnusableAnswer,
)
from app.pipelines.strategy.schema import Quote, StrategyFinding, Usage
from app.testing import RecordedWork
from tests.integration import serving
from tests.integration.pipelines.conftest import OpenWork
from tests.integration.pipelines.strategies import ANSWER, CONTENT, ENTRY, asking, claim, extracted
from tests.integration.processes import StartBeat, StartWorker
from tests.sites import models
from tests.sites.models import Answer, Asked, ModelServer
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def quiet(model_server: ModelServer) -> None:
    """Nothing is left of the test before."""
    model_server.answers.clear()
    model_server.asked.clear()
    model_server.broken_off.clear()
    model_server.default = models.tool({})


@pytest.fixture
def work(open_work: OpenWork, model_server: ModelServer) -> RecordedWork:
    return open_work(**asking(model_server))


def quoted(text: str) -> Quote:
    start = CONTENT.index(text)
    return Quote(text=text, start=start, end=start + len(text))


@pytest.mark.parametrize(
    ("model", "name", "path", "cost_usd"),
    [
        # 3 USD a million tokens in, 15 out
        pytest.param(
            "claude-sonnet-4",
            "anthropic:claude-sonnet-4-0",
            "/v1/messages",
            1200 * 3e-6 + 300 * 15e-6,
            id="Anthropic",
        ),
        pytest.param("gpt-4o", "openai:gpt-4o", "/v1/chat/completions", None, id="OpenAI's API"),
    ],
)
def test_a_strategy_comes_with_the_words_that_prove_it(
    work: RecordedWork,
    model_server: ModelServer,
    model: str,
    name: str,
    path: str,
    cost_usd: float | None,
) -> None:
    model_server.will(models.tool(ANSWER))
    found = extracted(work, model=model, content_type="transcript")
    [asked] = model_server.asked
    asked_for = (asked.path.partition("?")[0], asked.body["model"])
    assert asked_for == (path, name.partition(":")[2])
    shown = re.escape(CONTENT)
    form = rf"Kind of text: transcript\n\n<(content-\w+)>\n{shown}\n</\1>"
    assert re.fullmatch(form, asked.prompt)
    assert found.model_dump(exclude={"instruments", "time_frames", "exit_rules"}) == {
        "name": None,
        "summary": "A trend strategy.",
        "has_strategy": True,
        "entry_rules": (
            {
                "text": ENTRY["text"],
                "direction": "long",
                "evidence": (quoted(ENTRY["quotes"][0]).model_dump(),),
            },
        ),
        "risk_rules": (
            {
                "text": "Risk at most 1 % a trade.",
                "direction": "unspecified",
                "evidence": (quoted("Never more than 1% of the account").model_dump(),),
            },
        ),
        "unproven": 0,
        "pieces": 1,
        "content_type": "transcript",
        "model": name,
        "usage": Usage(requests=1, input_tokens=1200, output_tokens=300).model_dump(),
        "cost_usd": cost_usd,
    }
    [stop] = found.exit_rules
    assert stop.evidence == (quoted("stop goes ten pips\nbelow the last"),)


def test_a_quote_that_nobody_said_is_asked_for_again(
    work: RecordedWork, model_server: ModelServer
) -> None:
    invented = {**ANSWER, "entry_rules": [claim("Buy the dip.", "buy every dip you can")]}
    model_server.will(models.tool(invented), models.tool(ANSWER))
    found = extracted(work)
    assert "- buy every dip you can" in model_server.asked[1].prompt
    assert [rule.text for rule in found.entry_rules] == [ENTRY["text"]]
    assert (found.usage.requests, found.unproven) == (2, 0)


def test_what_is_never_proven_is_left_out(work: RecordedWork, model_server: ModelServer) -> None:
    half = claim("Buy above the EMA.", "closes above the 20 EMA", "and it always works")
    model_server.default = models.tool(
        {"entry_rules": [half, claim("Buy the dip.", "buy the dip")]}
    )
    found = extracted(work)
    want = StrategyFinding(
        text="Buy above the EMA.",
        direction="unspecified",
        evidence=(quoted("closes above the 20 EMA"),),
    )
    assert (found.entry_rules, found.unproven, len(model_server.asked)) == ((want,), 1, 3)


def test_a_text_without_a_strategy_has_none(work: RecordedWork) -> None:
    found = extracted(work, "The weather was fine.", content_type="diary")
    assert not found.has_strategy
    assert found.usage.requests == 1


def by_piece(asked: Asked) -> dict[str, Any]:
    """What there is in the piece at hand, of three rules."""
    rules = {
        "ALPHA: buy at 10.": claim("Buy at 10.", "ALPHA: buy at 10."),
        "BETA: sell at 20.": claim("Sell at 20.", "BETA: sell at 20."),
    }
    return {
        "summary": "Two rules.",
        "entry_rules": [rule for words, rule in rules.items() if words in asked.prompt],
    }


LONG = "\n\n".join(
    [
        "ALPHA: buy at 10.",
        *(f"Paragraph {number} tells at length of nothing much." for number in range(60)),
        "BETA: sell at 20.",
        *(f"Paragraph {number} tells at length of nothing much." for number in range(60)),
        "ALPHA: buy at 10. As I said.",
    ]
)


def test_long_content_is_read_in_pieces_and_merged(
    open_work: OpenWork, model_server: ModelServer
) -> None:
    work = open_work(**asking(model_server, CELERIAC_LLM_PIECE_TOKENS="400"))
    model_server.default = models.tool(by_piece)
    found = extracted(work, LONG)
    assert found.pieces == len(model_server.asked) > 3
    assert [rule.text for rule in found.entry_rules] == ["Buy at 10.", "Sell at 20."]
    assert [LONG[quote.start : quote.end] for quote in found.entry_rules[0].evidence] == [
        "ALPHA: buy at 10.",
        "ALPHA: buy at 10.",
    ]
    assert found.summary == "Two rules."
    assert found.usage.input_tokens == 1200 * found.pieces
    assert work.percents == sorted(work.percents)


def test_an_attempt_goes_on_where_the_last_one_failed(
    open_work: OpenWork, model_server: ModelServer
) -> None:
    work = open_work(**asking(model_server, CELERIAC_LLM_PIECE_TOKENS="400"))
    model_server.default = models.tool(by_piece)
    model_server.will(models.tool(by_piece), models.tool(by_piece), models.status(529))
    with pytest.raises(RetryableError):
        extracted(work, LONG)
    found = extracted(work, LONG)
    assert len(model_server.asked) == found.pieces + 1
    assert found.usage.requests == found.pieces


FAULTS: dict[str, tuple[Answer, type[CeleriacError]]] = {
    "429": (models.status(429, Retry_After="7"), RateLimited),
    "529": (models.status(529), RetryableError),
    "500": (models.status(500), RetryableError),
    "503": (models.status(503), RetryableError),
    "400": (models.status(400), PermanentError),
    "401": (models.status(401), KeyRefused),
    "403": (models.status(403), KeyRefused),
    "404": (models.status(404), NotFound),
    "413": (models.status(413), PermanentError),
    "truncated": (models.truncated(), RetryableError),
    "no JSON": (models.no_json(), RetryableError),
    "refusal": (models.refusal(), ModelRefused),
    "cut short": (models.cut_short(), LimitExceeded),
    "only words": (models.text("Here is what I think."), UnusableAnswer),
    "wrong form": (models.tool({"entry_rules": [{"text": 5}]}), UnusableAnswer),
}


@pytest.mark.parametrize("model", ["claude-sonnet-4", "gpt-4o"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_as_what_it_is(
    work: RecordedWork, model_server: ModelServer, name: str, model: str
) -> None:
    model_server.default, want = FAULTS[name]
    with pytest.raises(CeleriacError) as raised:
        extracted(work, model=model)
    assert type(raised.value) is want
    assert model.partition("-")[0] in str(raised.value)
    assert len(model_server.asked) == (3 if want is UnusableAnswer else 1)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(models.truncated(), id="in the midst of an event"),
        pytest.param(models.no_stream(), id="an event that is no JSON"),
        pytest.param(models.stream_that_ends(after=0), id="before it began"),
        pytest.param(models.stream_that_ends(after=2), id="before the answer"),
        pytest.param(models.stream_that_ends(after=3), id="within the answer"),
        pytest.param(models.stream_that_ends(after=4), id="before it says why it ends"),
    ],
)
def test_a_stream_that_breaks_off_is_tried_again(
    work: RecordedWork, model_server: ModelServer, answer: Answer
) -> None:
    model_server.default = answer
    with pytest.raises(RetryableError):
        extracted(work)
    [asked] = model_server.asked
    assert asked.body["stream"] is True


def test_a_pause_that_is_asked_for_is_passed_on(
    work: RecordedWork, model_server: ModelServer
) -> None:
    model_server.will(models.status(429, Retry_After="7"))
    with pytest.raises(RateLimited) as raised:
        extracted(work)
    assert raised.value.retry_after_s == 7


def test_a_server_that_is_silent_is_given_up(
    open_work: OpenWork, model_server: ModelServer
) -> None:
    work = open_work(**asking(model_server, CELERIAC_LLM_TIMEOUT_S="0.3"))
    model_server.will(models.silence())
    with pytest.raises(RetryableError, match="silent"):
        extracted(work)


def test_a_server_that_is_not_there_may_come_back(
    open_work: OpenWork, model_server: ModelServer
) -> None:
    work = open_work(**asking(model_server, ANTHROPIC_BASE_URL="http://127.0.0.1:9"))
    with pytest.raises(RetryableError, match="connection"):
        extracted(work)


@pytest.mark.parametrize("model", ["claude-sonnet-4", "gpt-4o"])
def test_cancel_breaks_a_long_call_off(
    work: RecordedWork, model_server: ModelServer, model: str
) -> None:
    model_server.will(models.silence())
    raised: list[BaseException] = []

    def run() -> None:
        try:
            extracted(work, model=model)
        except Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: model_server.asked, why="the model is asked")
    cancelled_at = time.monotonic()
    work.cancel()
    thread.join(timeout=10)
    assert time.monotonic() - cancelled_at < 2
    assert [type(error) for error in raised] == [Cancelled]
    assert model_server.broken_off.wait(5)


@pytest.mark.parametrize(
    ("changes", "model", "match"),
    [
        pytest.param(
            {"ANTHROPIC_API_KEY": ""}, "claude-sonnet-4", "ANTHROPIC_API_KEY", id="Claude"
        ),
        pytest.param(
            {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "https://api.openai.com/v1"},
            "gpt-4o",
            "OPENAI_API_KEY",
            id="OpenAI",
        ),
    ],
)
def test_without_a_key_nobody_is_asked(
    open_work: OpenWork, model_server: ModelServer, changes: dict[str, str], model: str, match: str
) -> None:
    work = open_work(**{**asking(model_server), **changes})
    with pytest.raises(NotConfigured, match=match):
        extracted(work, model=model)
    assert model_server.asked == []


def test_the_key_is_not_told(open_work: OpenWork, model_server: ModelServer) -> None:
    work = open_work(**asking(model_server, ANTHROPIC_API_KEY="sk-wrong"))
    with pytest.raises(KeyRefused) as raised:
        extracted(work)
    assert "invalid key ***" in str(raised.value)
    assert "sk-wrong" not in str(raised.value)


def test_no_model_is_called_that(work: RecordedWork) -> None:
    with pytest.raises(InvalidInput, match="no name of a model"):
        extracted(work, model="a\x00b")


def test_a_job_waits_as_long_as_the_provider_asks(
    environment: dict[str, str],
    start_worker: StartWorker,
    start_beat: StartBeat,
    model_server: ModelServer,
) -> None:
    model_server.will(models.status(429, Retry_After="1"), models.tool(ANSWER))
    started_at = time.monotonic()
    start_beat()
    start_worker(["llm", "cleanup"], env=asking(model_server), pool="threads", concurrency=4)
    with serving.serve(serving.platform_from_environment()) as server:
        body = {"params": {"content": CONTENT, "model": "claude-sonnet-4"}}
        submitted = server.http.post("/api/v1/jobs/strategy", json=body)
        assert submitted.status_code == 202
        job_id = submitted.json()["id"]
        job = server.http.get(f"/api/v1/jobs/{job_id}", params={"wait": 60}).json()
        assert (job["state"], job["attempt"]) == ("succeeded", 2), job
        assert job["result"]["entry_rules"][0]["text"] == ENTRY["text"]
        assert time.monotonic() - started_at > 1

        model_server.will(models.tool(ANSWER))
        call = server.platform.celery.signature(
            "extract_trading_strategy", args=(CONTENT, "transcript", "gpt-4o")
        )
        plain = call.apply_async().get(timeout=60)
        assert (plain["content_type"], plain["model"]) == ("transcript", "openai:gpt-4o")
        assert plain["entry_rules"] == job["result"]["entry_rules"]
        folders = server.platform.settings.files.temp_dir
        assert list(folders.iterdir()) == []
