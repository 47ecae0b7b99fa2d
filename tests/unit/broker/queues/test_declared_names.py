"""Which names a broker's bindings tell of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.broker import redis_keys
from app.broker.model import MisnamedQueue
from app.broker.queues import declared_names
from app.broker.queues.declared_names import DeclaredName, NameSearch
from app.queues import QueueName

ORDERS = QueueName("orders")
SEP = redis_keys.SEPARATOR


def declared(prefix: str, separator: str | None = SEP) -> DeclaredName:
    return DeclaredName(queue=ORDERS, prefix=prefix, separator=separator)


def misnamed(*names: DeclaredName, prefix: str = "") -> tuple[MisnamedQueue, ...]:
    return NameSearch().after(0, names).misnamed([ORDERS], prefix=prefix)


@pytest.mark.parametrize(
    ("member", "want"),
    [
        pytest.param(f"orders{SEP}{SEP}orders", SEP, id="kombu's separator"),
        pytest.param(f"order.new{SEP}{SEP}orders", SEP, id="another routing key"),
        pytest.param("orders::orders", ":", id="a separator of its own"),
        pytest.param("orders-#--#-orders", "-#-", id="a longer one"),
        pytest.param("orders:x:orders", None, id="with a pattern it cannot be told"),
    ],
)
def test_a_binding_tells_the_separator(member: str, want: str | None) -> None:
    got = declared_names.declared_by([member.encode()], prefix="p:", queues=[ORDERS])

    assert got == (declared("p:", want),)


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(f"orders{SEP}{SEP}orders-old", id="another queue"),
        pytest.param(f"x{SEP}{SEP}reorders", id="a longer name"),
        pytest.param("orders", id="not a binding"),
        pytest.param("", id="nothing"),
    ],
)
def test_other_bindings_tell_nothing(member: str) -> None:
    assert declared_names.declared_by([member.encode()], prefix="", queues=[ORDERS]) == ()


@given(members=st.lists(st.binary(max_size=40), max_size=5), prefix=st.text(max_size=5))
def test_any_member_can_be_read(members: list[bytes], prefix: str) -> None:
    found = declared_names.declared_by(members, prefix=prefix, queues=[ORDERS])

    NameSearch().after(0, found).misnamed([ORDERS], prefix="")


def test_keys_of_exchanges_that_are_called_like_a_queue_come_first() -> None:
    names = [b"a:_kombu.binding.x", b"b:_kombu.binding.orders", b"c:something", b"_kombu.binding.y"]

    assert declared_names.promising(names, queues=[ORDERS]) == (
        (b"b:_kombu.binding.orders", "b:"),
        (b"_kombu.binding.y", ""),
        (b"a:_kombu.binding.x", "a:"),
    )


def test_a_queue_that_was_declared_as_it_is_read_is_right() -> None:
    assert misnamed(declared(""), declared("other:")) == ()


def test_a_queue_that_nobody_has_declared_is_not_suspected() -> None:
    assert misnamed() == ()


def test_a_queue_under_another_prefix_is_told() -> None:
    assert misnamed(declared("shop:")) == (
        MisnamedQueue(queue=ORDERS, prefix="shop:", separator=SEP),
    )


def test_another_separator_under_our_prefix_comes_before_another_prefix() -> None:
    assert misnamed(declared("a:"), declared("shop:", ":"), prefix="shop:") == (
        MisnamedQueue(queue=ORDERS, prefix="shop:", separator=":"),
    )


def test_nothing_is_told_before_a_whole_round() -> None:
    search = NameSearch().after(7, [declared("shop:")])

    assert (search.cursor, search.misnamed([ORDERS], prefix="")) == (7, ())
    assert search.after(0, []).misnamed([ORDERS], prefix="") != ()
