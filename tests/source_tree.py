"""The modules of `app` as syntax trees: what the tests of the structure count."""

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module of `app`, or the `__init__.py` of a package."""

    name: str
    is_package: bool
    lines: int
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package it is in."""
        return self.name.rpartition(".")[0]

    @property
    def noun(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(".")[2]


@functools.cache
def packages_and_modules() -> tuple[Module, ...]:
    """Everything below `app`, `__init__.py` included."""
    return tuple(_read(path) for path in sorted((ROOT / "app").rglob("*.py")))


def modules() -> tuple[Module, ...]:
    """Everything below `app` but `__init__.py`."""
    return tuple(module for module in packages_and_modules() if not module.is_package)


def importers() -> dict[str, set[str]]:
    """Which modules import a module, by its name."""
    known = {module.name for module in packages_and_modules()}
    found: dict[str, set[str]] = defaultdict(set)
    for module in packages_and_modules():
        for name in _imports(module.tree, known):
            found[name].add(module.name)
    return found


def classes(module: Module) -> Iterator[str]:
    """Its public classes."""
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def _read(path: Path) -> Module:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    text = path.read_text()
    return Module(
        name=".".join(parts[:-1] if is_package else parts),
        is_package=is_package,
        lines=len(text.splitlines()),
        tree=ast.parse(text),
    )


def _imports(tree: ast.Module, known: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in known:
                    yield inner
                elif node.module in known:
                    yield node.module
