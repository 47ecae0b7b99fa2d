"""In which content type a worker is asked, and how often one that does not answer."""

import pytest

from app.broker.messages import bodies
from app.broker.messages.bodies import JSON, MESSAGE_PACK, PICKLE, YAML
from app.broker.model import ControlTrouble, NodeName
from app.broker.workers import content_negotiation
from app.broker.workers.content_negotiation import ContentNegotiation, KnownTypes, ReplyHistory

A, B = NodeName("a@shop"), NodeName("b@shop")
NEW = ReplyHistory()


@pytest.mark.parametrize(
    ("history", "known", "want"),
    [
        pytest.param(NEW, KnownTypes(), (JSON, PICKLE, MESSAGE_PACK, YAML), id="nothing is known"),
        pytest.param(
            NEW, KnownTypes(in_queues=(PICKLE,)), (PICKLE,), id="what it runs, it accepts"
        ),
        pytest.param(
            NEW,
            KnownTypes(in_queues=(PICKLE,), answered=(JSON,)),
            (PICKLE, JSON),
            id="two applications on one broker",
        ),
        pytest.param(NEW, KnownTypes(answered=(YAML,)), (YAML,), id="others have answered in it"),
        pytest.param(
            ReplyHistory(unanswered=content_negotiation.UNANSWERED_LIMIT),
            KnownTypes(answered=(YAML,)),
            (YAML, JSON, PICKLE, MESSAGE_PACK),
            id="others have answered in it, and this one did not",
        ),
        pytest.param(
            NEW,
            KnownTypes(in_events=(JSON, MESSAGE_PACK)),
            (MESSAGE_PACK, JSON, PICKLE, YAML),
            id="events in something else than the default are a hint",
        ),
        pytest.param(
            ReplyHistory(answered_in=PICKLE, unanswered=9),
            KnownTypes(in_events=(JSON,)),
            (PICKLE,),
            id="a worker that has answered is never guessed at",
        ),
    ],
)
def test_candidates_are_what_is_known_before_what_is_guessed(
    history: ReplyHistory, known: KnownTypes, want: tuple[str, ...]
) -> None:
    assert content_negotiation.candidates(history, known) == want


def _asked(talks: ContentNegotiation, *, within_s: int) -> list[tuple[int, str]]:
    """When a silent worker that is to be asked every second is asked, and in what."""
    asked = []
    for now_s in range(within_s):
        for content_type in talks.sorted([A], now_s=float(now_s)):
            asked.append((now_s, content_type))
            talks.note_unanswered([A], now_s=float(now_s))
    return asked


def test_guesses_come_ever_more_seldom() -> None:
    asked = _asked(ContentNegotiation(), within_s=24 * 3600)

    assert asked[:6] == [
        (0, JSON),
        (2, PICKLE),
        (6, MESSAGE_PACK),
        (14, YAML),
        (30, JSON),
        (62, PICKLE),
    ]
    assert len(asked) == pytest.approx(12 + 24, abs=2)


def test_a_silent_worker_that_surely_understands_is_asked_every_half_minute() -> None:
    talks = ContentNegotiation()
    talks.note_queued(["application/x-of-our-own", JSON])

    asked = _asked(talks, within_s=600)

    assert {content_type for _, content_type in asked} == {JSON}
    assert [at_s for at_s, _ in asked[:3]] == [0, 1, 2]
    assert len(asked) == pytest.approx(20 + 6, abs=2)


def test_an_answer_ends_all_pauses() -> None:
    talks = ContentNegotiation()
    _asked(talks, within_s=10)
    assert talks.troubles() == {A: ControlTrouble()}
    assert talks.sorted([A], now_s=11.0) == {}

    talks.note_answer(A, PICKLE, replied_in=JSON)

    assert talks.sorted([A, B], now_s=11.0) == {PICKLE: [A, B]}
    assert talks.replied_in(A) == JSON
    assert talks.troubles() == {}


def test_unreadable_answers_are_a_trouble_with_its_reason() -> None:
    talks = ContentNegotiation()
    for now_s in range(content_negotiation.UNANSWERED_LIMIT):
        talks.note_unreadable([A], JSON, reason="a body of the type 'x'", now_s=float(now_s))

    assert talks.troubles() == {A: ControlTrouble(unreadable="a body of the type 'x'")}
    assert talks.sorted([A], now_s=3.0) == {}
    assert talks.sorted([A], now_s=3600.0) == {JSON: [A]}


def test_no_more_workers_are_remembered_than_there_may_be() -> None:
    talks = ContentNegotiation(node_limit=1)
    talks.note_answer(A, bodies.YAML, replied_in=YAML)
    talks.note_answer(B, JSON, replied_in=JSON)

    assert [talks.replied_in(A), talks.replied_in(B)] == [None, JSON]
