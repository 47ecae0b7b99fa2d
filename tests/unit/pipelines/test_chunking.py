"""Chunks: as large as allowed, at seams, each knowing where it stands."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.documents.items import LINE, WITHIN, Block
from app.pipelines import chunking
from app.pipelines.chunking import Chunker
from app.storage.chunks import NewChunk

SENTENCE = "The lighthouse keeper counts the ships that pass in the evening. "


def chunks_of(
    blocks: Sequence[Block], *, tokens: int = 64, overlap_tokens: int = 0
) -> list[NewChunk]:
    chunker = Chunker(tokens=tokens, overlap_tokens=overlap_tokens)
    early = [chunk for block in blocks for chunk in chunker.add(block)]
    return early + chunker.finish()


def test_what_fits_is_one_chunk() -> None:
    blocks = [Block(text="One.", page=1), Block(text="Two.", page=2, joint=LINE)]
    assert chunks_of(blocks) == [NewChunk(text="One.\nTwo.", tokens=4, metadata={"pages": [1, 2]})]


def test_no_chunk_is_larger_than_allowed_and_none_is_lost() -> None:
    blocks = [Block(text=f"{number}. {SENTENCE}", page=number) for number in range(1, 80)]
    found = chunks_of(blocks)
    assert max(chunk.tokens for chunk in found) <= 64
    whole = " ".join(chunk.text for chunk in found)
    assert [number for number in range(1, 80) if f"{number}. The" not in whole] == []
    assert len(found) < 40


def test_a_chunk_repeats_the_end_of_the_one_before() -> None:
    blocks = [Block(text=f"Line {number} is short.", joint=LINE) for number in range(2000)]
    found = chunks_of(blocks, overlap_tokens=16)
    pairs = itertools.pairwise(found)
    assert all(second.text.split("\n")[0] in first.text for first, second in pairs)


def test_a_chunk_knows_its_rows_and_never_crosses_sheets() -> None:
    blocks = [
        Block(text=f"row {row} of {sheet}", joint=LINE, sheet=sheet, row=row, headings=(sheet,))
        for sheet in ("A", "B")
        for row in range(1, 40)
    ]
    found = [chunk.metadata for chunk in chunks_of(blocks)]
    of_a = [place["rows"] for place in found if place["sheet"] == "A"]
    of_b = [place["rows"] for place in found if place["sheet"] == "B"]
    assert (of_a[0][0], of_a[-1][1], of_b[0][0], of_b[-1][1]) == (1, 39, 1, 39)
    assert all(first[1] + 1 == second[0] for first, second in itertools.pairwise(of_a))
    assert {tuple(place["headings"]) for place in found} == {("A",), ("B",)}


def test_a_long_section_begins_a_chunk_and_short_ones_share_one() -> None:
    long = [Block(text=SENTENCE * 2, headings=("Long",)), Block(text="Next.", headings=("Next",))]
    short = [Block(text="a", headings=("A",)), Block(text="b", headings=("B",))]
    assert [chunk.metadata["headings"] for chunk in chunks_of(long)] == [["Long"], ["Next"]]
    assert [chunk.text for chunk in chunks_of(short)] == ["a\n\nb"]


def test_pieces_of_one_text_are_joined_without_a_seam() -> None:
    blocks = [Block(text="light"), Block(text="house", joint=WITHIN)]
    assert chunks_of(blocks)[0].text == "lighthouse"


def test_a_source_without_blocks_has_no_chunks() -> None:
    assert chunks_of([]) == []


def test_text_without_any_seam_is_cut_anyway() -> None:
    found = chunks_of([Block(text="x" * 20_000)])
    assert "".join(chunk.text for chunk in found) == "x" * 20_000
    assert max(chunk.tokens for chunk in found) <= 64


@given(
    texts=st.lists(st.text(alphabet="ab .\nä\U0001f40d", min_size=1, max_size=400), max_size=20),
    overlap_tokens=st.sampled_from([0, 8]),
)
@settings(max_examples=40, deadline=None)
def test_every_word_of_any_text_is_in_a_chunk(texts: list[str], overlap_tokens: int) -> None:
    blocks = [Block(text=text, page=page) for page, text in enumerate(texts, start=1)]
    found = chunks_of(blocks, tokens=16, overlap_tokens=overlap_tokens)
    said = "".join("".join(chunk.text.split()) for chunk in found)
    want = "".join("".join(text.split()) for text in texts)
    assert all(chunk.tokens <= 16 for chunk in found)
    assert (said == want) if not overlap_tokens else (len(said) >= len(want))


@pytest.mark.parametrize(
    ("text", "want"),
    [("hello", 1), ("hello world", 2), ("The quick brown fox jumps.", 6), ("x", 1)],
)
@pytest.mark.parametrize("guess", [0, 1, 3, 6, 50, 900])
def test_tokens_are_counted_from_any_guess(text: str, want: int, guess: int) -> None:
    assert chunking.count_tokens(text, at_most=512, guess=guess) == want
