"""The examples in docstrings do what they say."""

import doctest
import importlib
import pkgutil

import pytest

import app

MODULES = [
    found.name
    for found in pkgutil.walk_packages(app.__path__, "app.")
    if not found.ispkg and not found.name.endswith("__main__") and ".migrations." not in found.name
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0
