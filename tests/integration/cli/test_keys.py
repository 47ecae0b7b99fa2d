"""`celeriac keys`, and the key that the other commands send."""

import json

import pytest

from tests.integration.command_line import CommandLine


def test_a_key_is_created_used_listed_and_revoked(
    celeriac: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = celeriac.run("keys", "create", "--name", "ci", "--scope", "read")
    assert "shown only once" in created.stderr
    key = created.stdout.strip()
    (listed,) = json.loads(celeriac.output("keys", "list", "--output", "json"))
    assert (listed["name"], listed["owner"], listed["scope"]) == ("ci", "ci", "read")
    assert key not in celeriac.output("keys", "list")

    monkeypatch.setenv("CELERIAC_API_KEY", key)
    assert celeriac.run("jobs", "list").returncode == 0
    refused = celeriac.run("keys", "list")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "needs a key of scope 'admin'" in refused.stderr

    monkeypatch.delenv("CELERIAC_API_KEY")
    celeriac.output("keys", "revoke", listed["id"])
    monkeypatch.setenv("CELERIAC_API_KEY", key)
    ended = celeriac.run("jobs", "list")
    assert ended.returncode == 1
    assert "was revoked" in ended.stderr
    assert key not in ended.stderr


@pytest.mark.parametrize("text", ["90", "d", "0d", "1w", "-1d"])
def test_a_wrong_lifetime_is_refused_with_an_example(celeriac: CommandLine, text: str) -> None:
    refused = celeriac.run("keys", "create", "--name", "ci", f"--expires-in={text}")
    assert refused.returncode == 2
    assert "90d, 12h or 30m" in refused.stderr


@pytest.mark.parametrize("key", ["a b", "a\nX-Other: 1", "k\u20acy"])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(
    celeriac: CommandLine, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("CELERIAC_API_KEY", key)
    refused = celeriac.run("jobs", "list")
    assert refused.returncode == 1
    assert refused.stderr == "celeriac: CELERIAC_API_KEY holds characters that no API key has\n"
