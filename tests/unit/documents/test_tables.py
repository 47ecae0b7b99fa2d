"""Rows of tables as lines of text, and the delimiters of CSV files."""

from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pytest

from app.documents import reader, table_text, text_and_csv
from app.documents.items import Block
from app.documents.reader_options import DocumentLimits
from app.documents.table_text import Cell, Rows


def lines(*rows: list[Cell], sheet: str | None = None) -> list[str]:
    reader = Rows(sheet=sheet)
    blocks = [
        block
        for number, row in enumerate(rows, start=1)
        for block in reader.read(row, number=number)
    ]
    return [block.text for block in (*blocks, *reader.finish())]


@pytest.mark.parametrize(
    ("rows", "want"),
    [
        pytest.param(
            [["Name", "Price"], ["Apple", 1.5]],
            ["Name | Price", "Name: Apple; Price: 1.5"],
            id="values are told with their column",
        ),
        pytest.param([["Apple", 1.5], ["Pear", 2]], ["Apple: 1.5", "Pear: 2"], id="no header"),
        pytest.param([["a", "a"], ["b", "c"]], ["a: a", "b: c"], id="names twice are no header"),
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
        pytest.param(
            [["Applicant", "Jane Sample"], ["City", "Berlin"], ["Occupation", "Baker"]],
            ["Applicant: Jane Sample", "City: Berlin", "Occupation: Baker"],
            id="names and values, one record",
        ),
        pytest.param(
            [["Country", "2023", "2024"], ["Chile", 3, 4]],
            ["Country | 2023 | 2024", "Country: Chile; 2023: 3; 2024: 4"],
            id="years are names of columns",
        ),
        pytest.param(
            [["Sales of the year"], ["in euros"], ["Name", "Sum"], ["Ann", "5 €"]],
            ["Sales of the year", "in euros", "Name | Sum", "Name: Ann; Sum: 5 €"],
            id="a title above the header",
        ),
        pytest.param(
            [["Item", "Note", "Owner"], ["desk", "old", "Ann"], ["lamp", "new", "Bob"]],
            [
                "Item | Note | Owner",
                "Item: desk; Note: old; Owner: Ann",
                "Item: lamp; Note: new; Owner: Bob",
            ],
            id="a header of three texts",
        ),
        pytest.param(
            [
                ["question", "answer"],
                ["When do you open in the morning?", "At nine, on every day but Sunday."],
            ],
            [
                "question | answer",
                "question: When do you open in the morning?; "
                "answer: At nine, on every day but Sunday.",
            ],
            id="a header over long texts",
        ),
    ],
)
def test_rows_become_lines(rows: list[list[Cell]], want: list[str]) -> None:
    assert lines(*rows) == want


def test_a_row_knows_where_it_stands() -> None:
    reader = Rows(sheet="S")
    rows: list[list[Cell]] = [[None], ["a", "b"], ["c", 1]]
    taken = [list(reader.read(row, number=n)) for n, row in enumerate(rows, start=1)]
    assert taken == [[], [], []]  # what the first rows are is not known yet
    assert list(reader.finish()) == [
        Block(text="a | b", headings=("S",), sheet="S", row=2),
        Block(text="a: c; b: 1", joint="\n", headings=("S",), sheet="S", row=3),
    ]


def test_long_tables_are_told_as_they_come() -> None:
    reader = Rows()
    told = [len(list(reader.read([f"name {n}", n], number=n))) for n in range(1, 31)]
    assert told == [0] * (table_text.SAMPLE_ROWS - 1) + [table_text.SAMPLE_ROWS] + [1] * 10


@pytest.mark.parametrize(
    ("cell", "want"),
    [
        (date(2026, 5, 4), "2026-05-04"),
        (datetime(2026, 5, 4), "2026-05-04"),  # noqa: DTZ001  # as spreadsheets have it
        (datetime(2026, 5, 4, 12, 30), "2026-05-04 12:30:00"),  # noqa: DTZ001
        (time(9, 0), "09:00:00"),
        (1e300, "1e+300"),
        (-0.5, "-0.5"),
        (3.3000000000000003, "3.3"),
        (1234567890123456.0, "1234567890123456"),
        (False, "no"),
        ("a\t b", "a b"),
    ],
)
def test_cells_are_told_as_people_write_them(cell: Cell, want: str) -> None:
    assert table_text.text_of(cell) == want


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
    assert text_and_csv.delimiter_of(sample) == want


def test_error_cells_of_a_workbook_are_text(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append([])
    sheet.append([None, "Name", "Price", "Count"])
    sheet.append([None, "Apple", "#N/A", 3])
    sheet["C3"].data_type = "e"
    workbook.save(tmp_path / "a.xlsx")
    found = list(reader.read(tmp_path / "a.xlsx", name="a.xlsx", limits=DocumentLimits()))
    told = [item.text for item in found if isinstance(item, Block)]
    assert told == ["Name | Price | Count", "Name: Apple; Price: #N/A; Count: 3"]
