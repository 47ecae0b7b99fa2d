"""The tree of `app` keeps the measures of the house, and the page on the architecture is true."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import pytest

from tests import source_tree
from tests.source_tree import ROOT

TESTS = ROOT / "tests"

MODULES_OF_A_PACKAGE = 20
LINES_OF_A_MODULE = 350
LINES_OF_A_TEST_MODULE = 400
ONE_IMPORTER_RATIO = 0.25

EVERY_KIND_HAS = {"schema", "tasks", "metrics", "settings"}
"""Modules that every package of a kind has; the package says which one is meant."""

MIRRORS = ("app.api.routes", "app.api.views", "app.cli")
"""Packages whose modules are called after what they show: routes, views and commands of jobs."""

LONGEST_ROUTE = {"A job": 18, "A WorkerPool": 30}


def repeated(names: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {name: sorted(where) for name, where in names.items() if len(list(where)) > 1}


def test_names_of_public_classes_are_unique() -> None:
    homes = defaultdict(list)
    for module in source_tree.packages_and_modules():
        for name in source_tree.classes(module):
            homes[name].append(module.name)
    assert repeated(homes) == {}


def test_names_of_modules_are_unique() -> None:
    homes = defaultdict(set)
    for module in source_tree.modules():
        if module.noun not in EVERY_KIND_HAS and module.package not in MIRRORS:
            homes[module.noun].add(module.name)
    assert repeated(homes) == {}


def test_no_package_is_too_wide_to_see_at_once() -> None:
    counted = Counter(module.package for module in source_tree.modules())
    assert {name: n for name, n in counted.items() if n > MODULES_OF_A_PACKAGE} == {}


def test_no_module_is_too_long() -> None:
    lines = {module.name: module.lines for module in source_tree.packages_and_modules()}
    assert {name: n for name, n in lines.items() if n > LINES_OF_A_MODULE} == {}


def test_no_test_module_is_too_long() -> None:
    lines = {str(path): len(path.read_text().splitlines()) for path in TESTS.rglob("*.py")}
    assert {name: n for name, n in lines.items() if n > LINES_OF_A_TEST_MODULE} == {}


def test_each_set_of_parts_for_tests_has_a_name_of_its_own() -> None:
    homes = defaultdict(list)
    for path in TESTS.rglob("*.py"):
        for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE):
            homes[name].append(str(path))
    sets = ("RunningPlatform", "ForeignApplication", "VirtualCluster", "VirtualPlatform")
    assert {name: len(homes[name]) for name in sets} == dict.fromkeys(sets, 1)
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in sets if f"`{name}`" not in contributing] == []


def test_few_modules_serve_a_single_importer() -> None:
    importers, modules = source_tree.importers(), source_tree.modules()
    single = [module.name for module in modules if len(importers[module.name]) == 1]
    assert len(single) < ONE_IMPORTER_RATIO * len(modules), f"{len(single)} of {len(modules)}"


def section(title: str) -> str:
    page = (ROOT / "docs/architecture.md").read_text()
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def paths(text: str) -> list[str]:
    return re.findall(r"`(app/[\w/]*)(?:\.py|`)", text)


def test_the_architecture_names_packages_and_modules_that_exist() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    known = {module.name.replace(".", "/") for module in source_tree.packages_and_modules()}
    assert set(paths(page)) - known == set()


@pytest.mark.parametrize(("title", "longest"), LONGEST_ROUTE.items())
def test_a_route_opens_few_modules(title: str, longest: int) -> None:
    opened = set(paths(section(title)))
    assert opened
    assert len(opened) <= longest


def test_the_architecture_lists_every_package() -> None:
    listed = {path.split("/")[1] for path in paths(section("Packages"))}
    top = {module.name.split(".")[1] for module in source_tree.modules()}
    assert listed == top - {"__main__"}
