"""The examples in docstrings do what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

import app

ROOT = Path(app.__file__).parent
PROMPT = ">>> "


def modules_with_examples() -> list[str]:
    """Modules without any are not looked into: the tasks of some belong to other applications."""
    return [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for path in sorted(ROOT.rglob("*.py"))
        if PROMPT in path.read_text()
    ]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_hold(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0
    assert outcome.attempted > 0
