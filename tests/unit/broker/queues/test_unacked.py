"""What is remembered of the messages that workers hold, and how much is asked for at once."""

import json

import pytest

from app.broker.queues import unacked
from app.broker.queues.unacked import HeldCount, UnackedCache

ETA = "2026-01-01T00:00:00+00:00"
ETA_S = 1767225600.0


def tag(number: int) -> bytes:
    return f"{number:06}".encode()


def value(queue: str, *, eta: str | None = None, exchange: str = "") -> bytes:
    return json.dumps([{"headers": {"task": "t", "eta": eta}}, exchange, queue]).encode()


def observe(cache: UnackedCache, held: dict[bytes, bytes], *, size: int | None = None) -> int:
    """One observation of a broker that holds these; returns how many values were asked for."""
    first, last = cache.window()
    cache.list_tags(sorted(held)[first : last + 1], total=len(held))
    new = cache.unmeasured()
    cache.measure(new, [size or len(held[each]) for each in new])
    wanted = cache.unread()
    cache.read(wanted, [held[each] for each in wanted])
    return len(wanted)


def counts(cache: UnackedCache, *, now_s: float = 0.0) -> dict[str, HeldCount]:
    return cache.counts({}, now_s=now_s, horizon_s=30.0)


def test_a_message_is_read_once() -> None:
    cache, held = UnackedCache(), {tag(n): value("plain") for n in range(10)}

    assert [observe(cache, held), observe(cache, held)] == [10, 0]
    assert counts(cache) == {"plain": HeldCount(unacked=10)}


def test_what_is_gone_is_forgotten() -> None:
    cache = UnackedCache()
    observe(cache, {tag(n): value("plain") for n in range(10)})
    observe(cache, {tag(3): value("plain")})

    assert counts(cache) == {"plain": HeldCount(unacked=1)}


def test_an_eta_is_ahead_until_it_has_come() -> None:
    cache = UnackedCache()
    observe(cache, {tag(0): value("plain", eta=ETA), tag(1): value("plain")})

    assert [counts(cache, now_s=ETA_S - before_s)["plain"] for before_s in (60, 20, 0)] == [
        HeldCount(unacked=2, scheduled=1),
        HeldCount(unacked=2, scheduled=1, due_soon=1),
        HeldCount(unacked=2),
    ]


def test_large_messages_are_read_within_the_bound_of_bytes() -> None:
    cache, held = UnackedCache(), {tag(n): value("plain") for n in range(10)}
    asked = [observe(cache, held, size=unacked.READ_BYTES // 3) for _ in range(5)]

    assert asked == [3, 3, 3, 1, 0]


def test_unread_messages_are_estimated_by_those_that_were_read() -> None:
    cache, held = UnackedCache(), {tag(n): value("plain") for n in range(9)}
    observe(cache, held, size=unacked.READ_BYTES // 3)

    assert (cache.is_complete, counts(cache)) == (False, {"plain": HeldCount(unacked=9)})


def test_a_message_that_is_too_large_is_never_read_and_nobody_s() -> None:
    cache, held = UnackedCache(), {tag(n): value("plain") for n in range(4)}
    cache.list_tags(sorted(held), total=4)
    cache.measure(sorted(held), [100, 100, 100, unacked.READ_BYTES + 1])
    cache.read(cache.unread(), [held[each] for each in sorted(held)[:3]])

    assert (cache.unread(), cache.is_complete) == ([], False)
    assert counts(cache) == {"plain": HeldCount(unacked=3)}


def test_messages_that_go_meanwhile_are_forgotten() -> None:
    cache = UnackedCache()
    cache.list_tags([b"a", b"b"], total=2)
    cache.measure([b"a", b"b"], [0, 5])
    cache.read([b"b"], [None])

    assert (cache.unmeasured(), cache.unread()) == ([], [])


def test_more_than_a_window_is_known_after_some_observations() -> None:
    cache = UnackedCache()
    held = {tag(n): value("even" if n % 2 == 0 else "odd") for n in range(25_000)}
    asked = [observe(cache, held) for _ in range(28)]

    assert max(asked) == unacked.MEASURED
    assert cache.is_complete
    assert counts(cache) == {"even": HeldCount(unacked=12_500), "odd": HeldCount(unacked=12_500)}
    observe(cache, {})
    observe(cache, {})
    assert counts(cache) == {}


def test_what_is_remembered_is_bounded() -> None:
    cache, total = UnackedCache(), 10_000_000
    starts = []
    for number in range(25):
        first, _ = cache.window()
        starts.append(first)
        cache.list_tags([tag(first + n) for n in range(100)], total=total)
        assert len(cache.unmeasured()) <= 100 * (unacked.WINDOWS + 1), number

    assert len(set(starts[-unacked.WINDOWS :])) == unacked.WINDOWS


@pytest.mark.parametrize(
    ("member", "want"),
    [
        pytest.param(b"k\x06\x16\x06\x16q", {"q"}, id="a direct binding"),
        pytest.param(b"x\x06\x16^k$\x06\x16q", {"q"}, id="a pattern"),
        pytest.param(b"x\x06\x16(\x06\x16q", set(), id="not a pattern"),
        pytest.param(b"\xff", set(), id="bytes"),
        pytest.param(b"k", set(), id="too short"),
    ],
)
def test_bindings_lead_to_queues_and_odd_ones_nowhere(member: bytes, want: set[str]) -> None:
    assert unacked.destinations("k", unacked.build_table([member])) == want
