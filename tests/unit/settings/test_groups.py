"""Groups of settings: all are in `Settings`, and text of the environment becomes values."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from app import settings
from app.errors import InvalidInput
from app.settings import FetchSettings, LlmSettings, Settings
from app.settings.group import Group

LONG = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="


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


def test_settings_may_be_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # As Kubernetes writes them: links into a folder that is replaced as a whole.
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..data").symlink_to("..2026")
    for name, value in {"SMTP_PASSWORD": "s3cret\n", "NOTIFY_WEBHOOK_SECRETS": LONG}.items():
        (tmp_path / "..2026" / name).write_text(value)
        (tmp_path / name).symlink_to(f"..data/{name}")
    monkeypatch.setenv("CELERIAC_SECRETS_DIR", str(tmp_path))

    seen = Settings().notify
    assert seen.smtp_password.get_secret_value() == "s3cret"
    assert [one.get_secret_value() for one in seen.webhook_secrets] == [LONG]

    monkeypatch.setenv("SMTP_PASSWORD", "of the environment")
    assert Settings().notify.smtp_password.get_secret_value() == "of the environment"


def test_a_file_that_cannot_be_used_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "NOTIFY_WEBHOOK_SECRETS").write_text("hunter2")
    monkeypatch.setenv("CELERIAC_SECRETS_DIR", str(tmp_path))
    with pytest.raises(InvalidInput, match="NOTIFY_WEBHOOK_SECRETS") as raised:
        Settings().check()
    assert "hunter2" not in str(raised.value)


def test_an_empty_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    assert LlmSettings().openai_api_key is None


def test_a_setting_that_cannot_be_used_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELERIAC_LEASE_S", "hunter2")
    monkeypatch.setenv("CELERIAC_MAX_ATTEMPTS", "0")
    with pytest.raises(InvalidInput) as raised:
        Settings().check()
    assert str(raised.value) == (
        "the setting CELERIAC_LEASE_S cannot be used: Input should be a valid number, unable to "
        "parse string as a number; the setting CELERIAC_MAX_ATTEMPTS cannot be used: Input should "
        "be greater than or equal to 1"
    )
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param("{bad", "it is not a JSON object: Expecting property name", id="no JSON"),
        pytest.param("[" * 100_000, "it is not a JSON object: maximum recursion", id="deep"),
        pytest.param('{"a": "on"}', "at a", id="neither off nor a schedule"),
        pytest.param('{"a": {"crom": "x"}}', "at a.ScheduleSetting.crom", id="a slip"),
    ],
)
def test_schedules_that_cannot_be_read_are_a_sentence(
    monkeypatch: pytest.MonkeyPatch, given: str, want: str
) -> None:
    monkeypatch.setenv("CELERIAC_SCHEDULES", given)
    with pytest.raises(InvalidInput) as raised:
        Settings().check()
    assert str(raised.value).startswith("the setting CELERIAC_SCHEDULES cannot be used")
    assert want in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("group", settings.groups())
def test_no_error_behind_ours_repeats_a_value(group: type[Group]) -> None:
    assert group.model_config["hide_input_in_errors"]
