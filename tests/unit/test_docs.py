"""Pages use the standard terms of the field; what they link to and name exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import prose, source_tree
from tests.source_tree import ROOT

CONTRIBUTING = ROOT / "CONTRIBUTING.md"

PAGES = [
    ROOT / "README.md",
    CONTRIBUTING,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_are_in_the_words_of_the_field(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    assert prose.old_words(text) == set()


def targets(page: Path) -> Iterator[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def is_broken(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    home = page.parent / path if path else page
    return not home.exists() or bool(anchor and anchor not in anchors(home))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    own = [target for target in targets(page) if not target.startswith("http")]
    assert [target for target in own if is_broken(page, target)] == []


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs/README.md"
    listed = {(index.parent / target).resolve() for target in targets(index)}
    pages = set((ROOT / "docs").rglob("*.md")) - {index}
    assert sorted(str(page.relative_to(ROOT)) for page in pages - listed) == []


def named_modules(text: str) -> set[str]:
    """Modules and packages of ours, as paths or with dots; the rest of a dotted name is inside."""
    paths = re.findall(r"`((?:app|tests|tools|benchmarks)/[\w/.-]*\w)/?`", text)
    dotted = re.findall(r"`(app(?:\.[a-z_]+)+)(?:\.[A-Za-z_]\w*)?`", text)
    return {*paths, *dotted}


def exists(name: str) -> bool:
    if "/" in name:
        return (ROOT / name).exists()
    known = {module.name for module in source_tree.packages_and_modules()}
    return name in known or name.rpartition(".")[0] in known - {"app"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_a_page_names_exist(page: Path) -> None:
    assert [name for name in sorted(named_modules(page.read_text())) if not exists(name)] == []


def test_the_fixtures_that_contributing_names_exist() -> None:
    tables = re.findall(r"^\|[^|]*Fixture \|.*?\n\n", CONTRIBUTING.read_text(), re.M | re.S)
    rows = [row for table in tables for row in table.splitlines()[2:] if row]
    named = {name for row in rows for name in re.findall(r"`(\w+)(?:`|\()", row)}
    defined = {
        name
        for path in (ROOT / "tests").rglob("conftest.py")
        for name in re.findall(r"^def (\w+)\(", path.read_text(), re.M)
    }
    assert named
    assert named - defined == set()
