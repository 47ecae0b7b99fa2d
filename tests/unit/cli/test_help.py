"""Every command explains itself and its options, in plain words."""

from collections.abc import Iterator

import pytest
import typer.main

from app.cli import application, submit
from tests import plain_words

Entry = tuple[str, str]


def commands(command: object, path: str) -> Iterator[tuple[str, object]]:
    """A command with its path, and those below it."""
    yield path, command
    inner = getattr(command, "commands", None) or {}
    for name, child in inner.items():
        yield from commands(child, f"{path} {name}")


def kinds() -> Iterator[tuple[str, object]]:
    """The commands of `jobs submit`, which are made from the pipelines' parameters."""
    for entry in submit.installed_kinds():
        kind = submit.parse_kind(entry)
        yield f"celeriac jobs submit {kind.name}", submit.build_command(kind)


def texts() -> Iterator[Entry]:
    root = typer.main.get_command(application.application)
    for path, command in (*commands(root, "celeriac"), *kinds()):
        yield path, command.help or ""  # type: ignore[attr-defined]  # a command
        for parameter in command.params:  # type: ignore[attr-defined]  # a command
            yield f"{path} {parameter.opts[0]}", getattr(parameter, "help", None) or ""


TEXTS = tuple(texts())


def test_every_command_and_option_has_a_help_text() -> None:
    assert [where for where, text in TEXTS if not text.strip()] == []


def test_help_texts_are_plain() -> None:
    found = {where: plain_words.avoided(text) for where, text in TEXTS}
    assert {where: words for where, words in found.items() if words} == {}


def test_the_walk_reaches_everything() -> None:
    found = {where for where, _ in TEXTS}
    assert {"celeriac", "celeriac db upgrade --wait", "celeriac jobs submit media --url"} <= found


@pytest.mark.parametrize("text", ["Nobody is told.", "What becomes of it", "30 s if not told"])
def test_the_check_finds_what_it_is_for(text: str) -> None:
    assert plain_words.avoided(text)
