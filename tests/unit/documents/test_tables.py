"""Rows of tables as lines of text, and the delimiters of CSV files."""

from datetime import date, datetime, time

import pytest

from app.documents import delimited, table
from app.documents.items import Block
from app.documents.table import Cell, Rows


def lines(*rows: list[Cell], sheet: str | None = None) -> list[str]:
    reader = Rows(sheet=sheet)
    return [
        block.text
        for number, row in enumerate(rows, start=1)
        for block in reader.read(row, number=number)
    ]


@pytest.mark.parametrize(
    ("rows", "want"),
    [
        pytest.param(
            [["Name", "Price"], ["Apple", 1.5]],
            ["Name | Price", "Name: Apple; Price: 1.5"],
            id="values are told with their column",
        ),
        pytest.param([["Apple", 1.5], ["Pear", 2]], ["Apple | 1.5", "Pear | 2"], id="no header"),
        pytest.param([["a", "a"], ["b", "c"]], ["a | a", "b | c"], id="names twice are no header"),
        pytest.param([["One"], ["two"]], ["One", "two"], id="one column has no header"),
        pytest.param(
            [["Name", "Price"], ["Apple"], [None, 2]],
            ["Name | Price", "Name: Apple", "Price: 2"],
            id="what is missing is left out",
        ),
        pytest.param(
            [["Name", "Price"], ["Apple", 1, "new"]],
            ["Name | Price", "Name: Apple; Price: 1; new"],
            id="more values than columns",
        ),
        pytest.param([[None, ""], ["", None]], [], id="empty rows say nothing"),
    ],
)
def test_rows_become_lines(rows: list[list[Cell]], want: list[str]) -> None:
    assert lines(*rows) == want


def test_a_row_knows_where_it_stands() -> None:
    reader = Rows(sheet="S")
    assert list(reader.read([None], number=1)) == []
    assert list(reader.read(["a", "b"], number=2)) == [
        Block(text="a | b", headings=("S",), sheet="S", row=2)
    ]
    assert list(reader.read(["c", "d"], number=3)) == [
        Block(text="a: c; b: d", joint="\n", headings=("S",), sheet="S", row=3)
    ]


@pytest.mark.parametrize(
    ("cell", "want"),
    [
        (date(2026, 5, 4), "2026-05-04"),
        (datetime(2026, 5, 4), "2026-05-04"),  # noqa: DTZ001  # as spreadsheets have it
        (datetime(2026, 5, 4, 12, 30), "2026-05-04 12:30:00"),  # noqa: DTZ001
        (time(9, 0), "09:00:00"),
        (1e300, "1e+300"),
        (-0.5, "-0.5"),
        (False, "no"),
        ("a\t b", "a b"),
    ],
)
def test_cells_are_told_as_people_write_them(cell: Cell, want: str) -> None:
    assert table.text_of(cell) == want


@pytest.mark.parametrize(
    ("sample", "want"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n3,5;4,5\n", ";"),
        ("a\tb, c\n1\t2, 3\n4\t5\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("one\ntwo\n", ","),
        ("", ","),
        ('a;b\n"x;y";1\n', ";"),
        ("a;b;c\n1;2;3\n\n4;5;6\n", ";"),
    ],
)
def test_the_delimiter_is_the_one_that_cuts_evenly(sample: str, want: str) -> None:
    assert delimited.delimiter_of(sample) == want
