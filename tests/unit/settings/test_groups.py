"""Groups of settings: all are in `Settings`, and text of the environment becomes values."""

from ipaddress import IPv4Network

import pytest

from app import settings
from app.settings import FetchSettings, LlmSettings, Settings
from app.settings.group import Group


def test_settings_have_every_group_that_there_is() -> None:
    assert set(settings.groups()) == set(Group.__subclasses__())
    assert {group.__name__ for group in settings.groups()} <= set(settings.__all__)


def test_lists_are_text_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_ALLOWED_HOSTS", " media.internal, ,files.internal,")
    monkeypatch.setenv("CELERIAC_ALLOWED_NETWORKS", "10.0.0.0/8")
    seen = Settings().fetch
    assert seen.allowed_hosts == ("media.internal", "files.internal")
    assert seen.allowed_networks == (IPv4Network("10.0.0.0/8"),)
    assert FetchSettings(CELERIAC_ALLOWED_HOSTS=("one",)).allowed_hosts == ("one",)


def test_an_empty_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    assert LlmSettings().openai_api_key is None
