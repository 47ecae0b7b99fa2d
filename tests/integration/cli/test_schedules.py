import json

import pytest

from tests.integration import serving
from tests.integration.command_line import CommandLine


def test_the_schedules_are_listed_as_they_are_in_force(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {"cleanup-pdf-cache": "off", "cleanup-old-data": {"timezone": "Europe/Berlin"}}
    monkeypatch.setenv("CELERIAC_SCHEDULES", json.dumps(changed))
    with serving.serve(serving.platform_from_environment()) as server:
        answer = {one["name"]: one for one in server.http.get("/api/v1/schedules").json()["items"]}
        listed = json.loads(CommandLine(server.url).output("schedules", "list", "-o", "json"))
        shown = CommandLine(server.url).output("schedules", "list").splitlines()
    old = answer["cleanup-old-data"]
    assert (old["cron"], old["timezone"], old["is_on"]) == ("0 2 * * *", "Europe/Berlin", True)
    assert old["next_at"].endswith(("T00:00:00Z", "T01:00:00Z"))  # two in the morning there
    assert (old["kind"], old["params"]["days"], old["last_job"]) == ("cleanup-old-data", 90, None)
    off = answer["cleanup-pdf-cache"]
    assert (off["is_on"], off["next_at"]) == (False, None)
    assert {one["name"]: one for one in listed} == answer
    assert [" off " in line for line in shown if line.startswith("cleanup-")] == [
        False,
        True,
        False,
    ]
