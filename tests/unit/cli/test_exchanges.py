"""Options that name exchanges take what a WorkerPool's fields take."""

import pytest
import typer

from app.cli import option_values


@pytest.mark.parametrize("prefix", ["/{db}.", "/shop.", "/.", ""])
def test_a_fanout_prefix_is_taken(prefix: str) -> None:
    assert option_values.check_fanout_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["shop", "shop.", "/shop", "/a.b.", "/a b.", "/*.", "/a.\n"])
def test_a_fanout_prefix_that_kombu_cannot_take_apart_is_refused(prefix: str) -> None:
    """With it no event would arrive, and no error would say why."""
    with pytest.raises(typer.BadParameter, match="only dot"):
        option_values.check_fanout_prefix(prefix)


@pytest.mark.parametrize("name", ["", "two words", "all*", "[a]"])
def test_the_name_of_an_exchange_is_no_pattern(name: str) -> None:
    assert option_values.check_exchange("celery.pidbox") == "celery.pidbox"
    with pytest.raises(typer.BadParameter, match="channel names"):
        option_values.check_exchange(name)
