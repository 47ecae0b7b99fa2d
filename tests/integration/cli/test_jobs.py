import json
from pathlib import Path

import pytest

from tests.integration.api import asking
from tests.integration.api.asking import JOBS
from tests.integration.command_line import CommandLine
from tests.integration.serving import Server


def test_submit_tells_the_id_and_sends_every_option(celeriac: CommandLine, server: Server) -> None:
    job_id = celeriac.output(
        *("jobs", "submit", "probe", "--name", "one", "--plan", '{"first": ["ok"]}'),
        *("--priority", "2", "--max-attempts", "1", "--label", "team=shop"),
        *("--not-before", "2999-01-01T00:00:00Z", "--idempotency-key", "k 1"),
    ).strip()
    job = server.http.get(f"{JOBS}/{job_id}").json()
    want = {
        "params": {"name": "one", "plan": {"first": ["ok"]}},
        "priority": 2,
        "max_attempts": 1,
        "labels": {"team": "shop"},
        "not_before": "2999-01-01T00:00:00Z",
        "idempotency_key": "k 1",
    }
    assert {name: job[name] for name in want} == want


PLAN = 'plan={"last": ["ok"]}'


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(["name=1984", PLAN], id="by name"),
        pytest.param(["--json", '{"name": "1984"}', "--param", PLAN], id="as JSON and by option"),
    ],
)
def test_parameters_can_be_given_in_several_ways(celeriac: CommandLine, given: list[str]) -> None:
    job = json.loads(celeriac.output("jobs", "submit", "probe", *given, "-o", "json"))
    assert job["params"] == {"name": "1984", "plan": {"last": ["ok"]}}


def test_help_of_a_kind_shows_its_parameters(celeriac: CommandLine) -> None:
    shown = celeriac.output("jobs", "submit", "probe", "--help")
    assert "does what its parameters say" in shown
    assert "--name" in shown
    assert "[default: probe]" in shown


def test_a_file_is_uploaded_first(eager: Server, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("Celeriac is the root of celery. " * 20)
    celeriac = CommandLine(eager.url)
    arguments = ("--chatbot-id", "bot", "--file", str(file), "-o", "json")
    job = json.loads(celeriac.output("jobs", "submit", "document", *arguments))
    assert (job["state"], job["result"]["filename"]) == ("succeeded", "notes.txt")


def test_a_refusal_is_readable(celeriac: CommandLine) -> None:
    done = celeriac.run("jobs", "submit", "probe", "--json", '{"name": 3, "colour": 1}')
    assert done.returncode == 1
    assert done.stderr == (
        "celeriac: The request is not valid: #/params/name: Input should be a valid string\n"
    )


def test_list_goes_over_pages_and_filters(celeriac: CommandLine, server: Server) -> None:
    for number in range(3):
        asking.submit(server.http, name=f"n{number}", labels={"even": str(number % 2 == 0)})
    even = json.loads(celeriac.output("jobs", "list", "--label", "even=True", "-o", "json"))
    shown = [json.loads(celeriac.output("jobs", "get", job["id"], "-o", "json")) for job in even]
    assert [job["params"]["name"] for job in shown] == ["n2", "n0"]
    table = celeriac.output("jobs", "list", "--limit", "2").splitlines()
    assert table[0].split() == [
        *("ID", "KIND", "STATE", "PROGRESS", "STAGE", "CREATED", "MESSAGE"),
    ]
    assert len(table) == 3
    assert celeriac.output("jobs", "list", "--state", "running", "-o", "json") == "[]\n"


def test_get_shows_a_job_and_its_history(eager: Server) -> None:
    celeriac = CommandLine(eager.url)
    plan = {"first": ["artifact:notes.txt"], "second": ["permanent"]}
    job = asking.submit(eager.http, plan=plan)
    shown = celeriac.output("jobs", "get", job["id"], "--runs")
    assert "error     PermanentError: never" in shown
    assert f"{eager.url}{job['artifacts'][0]['url']}" in shown
    assert "probe_second" in shown
    found = json.loads(celeriac.output("jobs", "get", job["id"], "--runs", "-o", "json"))
    assert [run["outcome"] for run in found["runs"]][:2] == ["succeeded", "failed"]


def test_cancel_and_retry(celeriac: CommandLine, server: Server) -> None:
    ids = [asking.submit(server.http)["id"] for _ in range(2)]
    cancelled = json.loads(celeriac.output("jobs", "cancel", *ids, "-o", "json"))
    assert [job["state"] for job in cancelled] == ["cancelled", "cancelled"]
    again = celeriac.run("jobs", "cancel", ids[0])
    assert (again.returncode, again.stderr) == (
        1,
        f"celeriac: The current state does not allow this: the job {ids[0]} is cancelled already\n",
    )
    assert "queued" in celeriac.output("jobs", "retry", ids[0])


def test_queues_are_listed(celeriac: CommandLine, server: Server) -> None:
    asking.submit(server.http)
    found = json.loads(celeriac.output("queues", "list", "-o", "json"))
    assert {queue["name"]: queue["ready"] for queue in found}["default"] == 1
    assert celeriac.output("queues", "list").startswith("QUEUE")


@pytest.mark.parametrize(
    "arguments",
    [["get", "xyz"], ["watch", "xyz"], ["cancel", "xyz"], ["retry", "xyz"], ["cancel", "a/b"]],
)
def test_what_is_no_id_is_named(celeriac: CommandLine, arguments: list[str]) -> None:
    done = celeriac.run("jobs", *arguments)
    want = f"celeriac: no job '{arguments[1]}': 'celeriac jobs list' shows the ids\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", want)


@pytest.mark.parametrize("verb", ["get", "watch", "cancel", "retry"])
def test_a_job_that_is_not_there_is_named(celeriac: CommandLine, verb: str) -> None:
    done = celeriac.run("jobs", verb, asking.NO_JOB)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"no job '{asking.NO_JOB}'" in done.stderr


def test_a_job_that_is_refused_costs_the_others_nothing(
    celeriac: CommandLine, server: Server
) -> None:
    first, over, last = (asking.submit(server.http)["id"] for _ in range(3))
    server.http.post(f"{JOBS}/{over}:cancel")
    done = celeriac.run("jobs", "cancel", first, over, "xyz", last, "-o", "json")
    assert done.returncode == 1
    assert [job["id"] for job in json.loads(done.stdout)] == [first, last]
    assert f"the job {over} is cancelled already" in done.stderr
    assert "no job 'xyz'" in done.stderr
