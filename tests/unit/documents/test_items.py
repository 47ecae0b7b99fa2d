"""Items on their way between the processes, and text on its way into blocks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.documents import items
from app.documents.items import Block, Extent, Fact, Item, Position, Refusal


@pytest.mark.parametrize(
    "item",
    [
        Block(text="One"),
        Block(text="One", joint="", headings=("A", "B"), page=1, sheet="S", row=2),
        Extent(total=3),
        Position(done=0),
        Fact(name="sheets", value=["A"]),
        Refusal(error="InvalidInput", message="no"),
    ],
)
def test_an_item_survives_the_journey(item: Item) -> None:
    line = json.dumps(items.to_json(item))
    assert items.from_json(json.loads(line)) == item


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_cutting_loses_nothing_but_the_blanks_around(text: str) -> None:
    assert "".join(block.text for block in items.cut(text)) == items.clean(text).strip()


def test_a_long_text_is_cut_at_spaces() -> None:
    blocks = list(items.cut("word " * 10_000, page=7))
    assert [len(block.text) <= items.BLOCK_LENGTH for block in blocks] == [True] * 4
    assert [block.joint for block in blocks] == [items.PARAGRAPH] + [items.WITHIN] * 3
    assert {block.page for block in blocks} == {7}
    assert all(block.text.startswith("word") for block in blocks)


def test_a_long_text_without_spaces_is_cut_anyway() -> None:
    lengths = [len(block.text) for block in items.cut("x" * 40_000)]
    assert lengths == [16_000, 16_000, 8_000]


@pytest.mark.parametrize("text", ["", "  \n\t ", "\x00\x01"])
def test_nothing_gives_no_block(text: str) -> None:
    assert list(items.cut(text)) == []
