"""What SECURITY.md claims: each test that it names exists, and each row names one."""

import re
from pathlib import Path

import pytest

from tools import licences

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.count(" | ") == 3 and "Must not" not in line]


def test_each_defence_names_tests_that_exist() -> None:
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    named = {row: re.findall(r"`(test_\w+)`", row) for row in ROWS}
    assert len(named) > 15
    assert [row for row, found in named.items() if not found] == []
    assert {one for found in named.values() for one in found} - tests == set()


def test_the_page_of_licences_is_fresh() -> None:
    assert licences.PAGE.read_text() == licences.page()


def test_a_licence_that_nobody_has_judged_is_refused() -> None:
    with pytest.raises(licences.LicenceNotAllowed, match="thing: Proprietary"):
        licences.family("thing", "Proprietary")
