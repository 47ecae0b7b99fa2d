"""Which queues have series."""

from app.exporter import series
from app.exporter.series import KnownQueues

DIRECT = "w@host-1.dq2"
BROADCAST = "bcast.0d1e2f30-1111-2222-3333-444455556666"


def known(*uses: tuple[str, bool, float], limit: int = 3) -> tuple[str, ...]:
    """The queues after these uses (name, is certain, when), with one that was named."""
    queues = KnownQueues(["named"], limit=limit)
    for name, is_certain, at_s in uses:
        queues.note(name, is_certain=is_certain, now_s=at_s)
    return queues.names()


def test_a_queue_is_known_until_it_was_not_used_for_long() -> None:
    queues = KnownQueues(["named"])
    queues.note("mail", is_certain=True, now_s=0.0)
    queues.note("news", is_certain=True, now_s=5.0)

    queues.forget(now_s=series.FORGOTTEN_S)

    assert queues.names() == ("named", "news")


def test_at_the_limit_the_one_that_was_not_used_for_longest_goes() -> None:
    got = known(("a", True, 0.0), ("b", True, 1.0), ("a", True, 2.0), ("new", True, 3.0))

    assert sorted(got) == ["a", "named", "new"]


def test_what_is_only_said_to_be_used_goes_first() -> None:
    got = known(("real", True, 0.0), ("said", False, 1.0), ("other", False, 2.0))

    assert sorted(got) == ["named", "other", "real"]


def test_a_use_that_was_certain_stays_certain() -> None:
    got = known(("real", True, 0.0), ("real", False, 1.0), ("a", False, 2.0), ("b", False, 3.0))

    assert sorted(got) == ["b", "named", "real"]


def test_queues_of_one_worker_make_room_for_others() -> None:
    got = known(("real", True, 0.0), (DIRECT, True, 8.0), (BROADCAST, True, 9.0))

    assert sorted(got) == sorted([BROADCAST, "named", "real"])
    got = known((BROADCAST, True, 8.0), (DIRECT, True, 9.0), ("new", True, 9.0))
    assert sorted(got) == sorted([DIRECT, "named", "new"])


def test_an_endless_name_is_not_looked_up() -> None:
    assert known(("x" * (series.NAME_LIMIT + 1), True, 0.0), ("", True, 0.0)) == ("named",)
