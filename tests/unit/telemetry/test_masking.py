"""URLs that are shown: what is right with one, and no password of one that is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.telemetry import masking

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "want"),
    [
        pytest.param("http://127.0.0.1:8000", "http://127.0.0.1:8000", id="nothing to hide"),
        pytest.param("http://[::1]", "http://[::1]", id="IPv6"),
        pytest.param("http://[::1]:8000/x", "http://[::1]:8000/x", id="IPv6 and a port"),
        pytest.param("localhost:8000", "localhost:8000", id="no scheme"),
        pytest.param("postgresql://u:s3cr3t@h:1/d", "postgresql://u:**@h:1/d", id="a password"),
        pytest.param("redis://:s3cr3t@h/0", "redis://:**@h/0", id="a password alone"),
        pytest.param("redis://u@h/0", "redis://u@h/0", id="a user alone"),
        pytest.param("redis://:[s3cr3t]@h/0", "redis://:**@h/0", id="brackets"),
        pytest.param("redis://u:a/s3cr3t@h/0", "redis://u:**@h/0", id="a slash"),
        pytest.param("redis://u:a@s3cr3t@h/0", "redis://u:**@h/0", id="an at sign"),
        pytest.param("redis://u:a?s3cr3t#@h/0", "redis://u:**@h/0", id="what ends a host"),
        pytest.param("redis://u:s3cr3t", "redis://u:**", id="no host"),
        pytest.param("http://h/x?key=s3cr3t", "http://h/x", id="a query"),
        pytest.param("sqlite:///x.db", "sqlite:///x.db", id="a path"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, want: str) -> None:
    assert masking.masked(url) == want


@given(st.text(), st.text())
def test_no_password_is_shown_whatever_stands_around_it(before: str, after: str) -> None:
    assert SECRET not in masking.masked(f"redis://user:{before}{SECRET}{after}@host/0")
