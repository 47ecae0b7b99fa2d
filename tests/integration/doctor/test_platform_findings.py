"""Findings of our own platform, each provoked by its environment, over both databases."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from app.broker.connections.address import parse_address
from app.cli.application import application
from app.doctor import checks, examination, platform_checks, platform_reader
from app.doctor.snapshot import PlatformFacts, Snapshot
from app.settings import Settings
from tests.integration.command_line import CommandLine
from tests.integration.doctor import examined
from tests.ports import free_port

KEY = "0123456789abcdef" * 2


@pytest.fixture
def facts(redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The environment of a healthy platform."""
    found = {
        "CELERY_BROKER_URL": redis_url,
        "DATABASE_URL": database_url,
        "CELERIAC_MESSAGE_KEYS": KEY,
        "CELERIAC_FAIR_SHARES": "true",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def seen(facts: PlatformFacts, *, url: str = "redis://127.0.0.1:1/0") -> dict[str, str]:
    snapshot = replace(Snapshot(address=parse_address(url)), platform=facts)
    return examined.found(checks.evaluate(platform_checks.registry.checks, snapshot))


def test_a_healthy_platform_has_no_finding(facts: Mapping[str, str]) -> None:
    assert seen(platform_reader.read(facts, Settings()), url="redis://redis.shop:6379/0") == {}


def test_a_setting_that_there_is_not_is_named_with_the_nearest(
    facts: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "CELERIAC_MESSAGE_KEY").write_text(KEY)
    monkeypatch.setenv("CELERIAC_SECRETS_DIR", str(tmp_path))
    services = {"CELERIAC_API_SERVICE_HOST": "10.0.0.1", "CELERIAC_API_PORT_8000_TCP": "tcp://x"}
    environ = {**facts, **services, "CELERIAC_LEASE": "5", "CELERIAC_XYZZY_PLUGH": "1"}

    unknown = platform_reader.read(environ, Settings()).unknown_settings

    assert {one.name: one.nearest for one in unknown} == {
        "CELERIAC_LEASE": "CELERIAC_LEASE_S",
        "CELERIAC_MESSAGE_KEY": "CELERIAC_MESSAGE_KEYS",
        "CELERIAC_XYZZY_PLUGH": "",
    }
    found = seen(PlatformFacts(unknown_settings=unknown[:1]))
    assert found == {
        "setting-unknown": "there is no setting CELERIAC_LEASE; there is CELERIAC_LEASE_S"
    }


def test_the_variables_of_all_commands_are_known() -> None:
    names = {
        name
        for command in _commands(get_command(application))
        for parameter in command.params
        for name in _names(parameter)
        if name.startswith("CELERIAC_")
    }
    assert len(names) > 5
    assert sorted(names - platform_reader.known_settings()) == []


def _commands(command: Any) -> list[Any]:  # of Typer's copy of click, which is not public
    below = getattr(command, "commands", {}).values()
    return [command, *(found for one in below for found in _commands(one))]


def _names(parameter: Any) -> list[str]:
    given = parameter.envvar
    return [] if given is None else [given] if isinstance(given, str) else list(given)


def test_a_database_that_cannot_be_used_is_reported(
    facts: Mapping[str, str], empty_postgres_url: str, tmp_path: Path
) -> None:
    away = f"postgresql://user:m4rk3d@127.0.0.1:{free_port()}/jobs"
    problems = {
        url: platform_reader.database_problem(url)
        for url in (empty_postgres_url, f"sqlite:///{tmp_path}/none.db", away)
    }
    assert "celeriac db upgrade" in problems[empty_postgres_url]
    assert problems[f"sqlite:///{tmp_path}/none.db"] == "there is no database yet"
    assert not (tmp_path / "none.db").exists()
    assert problems[away].startswith("the database did not answer")
    assert "m4rk3d" not in problems[away]
    assert platform_reader.database_problem(facts["DATABASE_URL"]) == ""
    found = seen(PlatformFacts(database_problem="there is no database yet"))
    assert found == {"database-not-ready": "the database cannot be used: there is no database yet"}


def test_unsigned_messages_are_a_finding_beyond_this_machine(
    facts: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CELERIAC_MESSAGE_KEYS")
    unsigned = platform_reader.read({}, Settings())

    assert seen(unsigned) == {}
    assert seen(unsigned, url="redis://redis.shop:6379/0").keys() == {"messages-unsigned"}


def test_the_command_examines_the_platform_unless_a_broker_is_named(
    facts: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_LEASE", "5")
    line = CommandLine("http://127.0.0.1:1")

    ours, foreign = (
        json.loads(line.run("doctor", "--output", "json", *more).stdout)
        for more in ([], ["--broker", facts["CELERY_BROKER_URL"]])
    )

    assert "setting-unknown" in {one["id"] for one in ours["findings"]}
    assert "database-not-ready" in ours["passed"]
    of_platform = {check.id for check in platform_checks.registry.checks}
    named = {one["id"] for one in (*foreign["findings"], *foreign["not_checked"])}
    assert not of_platform & (named | set(foreign["passed"]))


def test_every_check_is_evaluated_for_our_own_platform(redis_url: str) -> None:
    report = asyncio.run(examination.examine(parse_address(redis_url), platform=PlatformFacts()))
    evaluated = {check.id for check in report.passed}
    evaluated |= {one.check.id for one in report.findings}
    evaluated |= {one.check.id for one in report.unchecked}
    assert evaluated == {check.id for check in examination.CHECKS}
