"""API keys as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access import tokens


def test_a_token_is_read_back_from_its_text() -> None:
    token = tokens.generate()
    assert tokens.parse(str(token)) == token
    assert token.matches(token.digest)


def test_two_tokens_differ_in_id_and_secret() -> None:
    one, other = tokens.generate(), tokens.generate()
    assert one.key_id != other.key_id
    assert not one.matches(other.digest)


def test_neither_repr_nor_digest_shows_the_secret() -> None:
    token = tokens.generate()
    assert token.secret not in repr(token)
    assert token.secret not in token.digest


@pytest.mark.parametrize(
    "text",
    ["", "celeriac", "celeriac__", "Bearer x", "celeriac_0123456789ab_short", "x" * 10_000],
)
def test_other_text_is_not_a_token(text: str) -> None:
    assert tokens.parse(text) is None


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    assert tokens.parse(text) is None or str(tokens.parse(text)) == text


@given(st.integers(min_value=0, max_value=70), st.characters())
def test_a_changed_token_does_not_match(position: int, letter: str) -> None:
    token = tokens.generate()
    text = str(token)
    at = position % len(text)
    changed = tokens.parse(text[:at] + letter + text[at + 1 :])
    assert (
        changed is None
        or changed == token
        or not (changed.key_id == token.key_id and changed.matches(token.digest))
    )
