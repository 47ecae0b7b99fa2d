"""`celeriac up` from its start to its end, with real jobs."""

import os
import signal
import socket
from pathlib import Path

from tests.integration.local import processes_of
from tests.integration.local.conftest import StartUp, Up
from tests.waiting import eventually


def assert_gone(children: set[processes_of.Birth]) -> None:
    eventually(lambda: not processes_of.alive(children), within_s=60, why="no process is left")


def test_a_job_runs_end_to_end_and_ctrl_c_leaves_no_process(up: Up) -> None:
    job = up.finished(up.submit("probe", plan={"second": ["sleep:3"]}))

    assert job["state"] == "succeeded"
    assert "0 -> 1" in up.output
    children = up.children()
    assert len(children) > 5
    assert up.stop() == 0
    assert_gone(children)


def test_a_killed_platform_leaves_no_process_and_its_jobs_go_on_in_the_next(
    start_up: StartUp,
) -> None:
    first = start_up()
    first.wait_until_up()
    done = first.submit("probe")
    first.finished(done)
    begun = first.submit("probe", plan={"second": ["sleep:1000", "ok"]})
    first.wait_for_message(begun, "second begins")
    children = first.children()

    os.kill(first.process.pid, signal.SIGKILL)

    assert_gone(children)
    second = start_up()
    second.wait_until_up()
    assert second.job(done)["state"] == "succeeded"
    job = second.finished(begun)
    assert [job["state"], job["result"]["trail"]] == [
        "succeeded",
        ["first:ok", "second:ok", "last:ok"],
    ]


def test_a_task_may_finish_after_ctrl_c(start_up: StartUp) -> None:
    up = start_up()
    up.wait_until_up()
    begun = up.submit("probe", plan={"first": ["sleep:4"]})
    up.wait_for_message(begun, "first begins")

    assert up.stop() == 0

    assert f"Task probe_first[{begun}.0] succeeded" in up.log("default")


def test_a_task_that_takes_too_long_to_end_goes_on_in_the_next_run(start_up: StartUp) -> None:
    first = start_up(stop_grace_s=1)
    first.wait_until_up()
    begun = first.submit("probe", plan={"second": ["sleep:15"]})
    first.wait_for_message(begun, "second begins")
    children = first.children()

    assert first.stop() == 0

    assert f"probe_second[{begun}.0] succeeded" not in first.log("default")
    assert_gone(children)
    second = start_up()
    second.wait_until_up()
    assert second.finished(begun)["state"] == "succeeded"


def test_a_second_ctrl_c_ends_it_at_once(start_up: StartUp) -> None:
    up = start_up(stop_grace_s=1000)
    up.wait_until_up()
    begun = up.submit("probe", plan={"first": ["stubborn:1000"]})
    up.wait_for_message(begun, "first begins")
    children = up.children()

    up.process.signal(signal.SIGINT)
    up.process.wait_for("a second Ctrl-C stops at once")
    up.process.signal(signal.SIGINT)

    assert up.wait(within_s=60) == 0
    assert_gone(children)


def test_a_worker_that_is_killed_is_replaced_and_its_job_done_by_another(shared_up: Up) -> None:
    begun = shared_up.submit("probe", plan={"second": ["sleep:1000", "ok"]})
    shared_up.wait_for_message(begun, "second begins")

    for pid in shared_up.workers():
        os.kill(pid, signal.SIGKILL)

    assert shared_up.finished(begun)["state"] == "succeeded"
    shared_up.process.wait_for("signal SIGKILL")


def test_a_zygote_that_is_killed_is_replaced_with_all_of_its_workers(shared_up: Up) -> None:
    begun = shared_up.submit("probe", plan={"second": ["sleep:1000", "ok"]})
    shared_up.wait_for_message(begun, "second begins")
    (zygote,) = {_parent_of(pid) for pid in shared_up.workers()}

    os.kill(zygote, signal.SIGKILL)

    assert shared_up.finished(begun)["state"] == "succeeded"


def test_a_broker_that_is_killed_comes_back_with_its_messages(shared_up: Up) -> None:
    begun = shared_up.submit("probe", plan={"second": ["sleep:2"]})
    (broker,) = {
        pid for pid, _ in shared_up.children() if processes_of.command_of(pid) == "valkey-server"
    }

    os.kill(broker, signal.SIGKILL)

    shared_up.process.wait_for("ended with signal SIGKILL; starting again")
    assert shared_up.finished(begun)["state"] == "succeeded"


def _parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])


def test_a_second_up_in_the_same_folder_says_who_holds_it(shared_up: Up, start_up: StartUp) -> None:
    second = start_up(data_dir=str(shared_up.data_dir))

    assert second.wait() == 1
    owner = shared_up.process.pid
    assert f"(pid {owner}) already runs in {shared_up.data_dir}" in second.output


def test_a_taken_port_is_one_clear_sentence(start_up: StartUp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        up = start_up(port=port)

        assert up.wait() == 1
    assert up.output.strip() == (
        f"error: port {port} on 127.0.0.1 is taken: stop what listens there, "
        "or choose another one with --port"
    )


def test_pipelines_of_the_working_directory_are_found_beside_a_package_called_app(
    start_up: StartUp, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / "app").mkdir(parents=True)
    (project / "app" / "__init__.py").write_text("raise RuntimeError('not the one')")
    (project / "shop_probe.py").write_text("from tests.probe import PIPELINE\n")
    up = start_up(working_dir=str(project), env={"CELERIAC_PIPELINES": "shop_probe"})
    up.wait_until_up()

    assert up.finished(up.submit("probe"))["state"] == "succeeded"


def test_api_only_starts_no_worker(start_up: StartUp) -> None:
    up = start_up(is_api_only=True)
    up.wait_until_up()

    job = up.job(up.submit("probe"))

    assert job["state"] == "queued"
    assert up.workers() == set()
    assert not (up.data_dir / "logs" / "beat.log").exists()


def test_an_api_that_cannot_start_shows_the_end_of_its_log(start_up: StartUp) -> None:
    issuer = {"CELERIAC_OIDC_ISSUER": "https://id.example", "CELERIAC_OIDC_GROUPS": "a=all"}
    up = start_up(env=issuer)

    assert up.wait() == 1
    assert "the api does not start" in up.output
    assert "the setting CELERIAC_OIDC_GROUPS cannot be used" in up.output


def test_a_pipeline_that_cannot_be_imported_is_told_before_anything_starts(
    start_up: StartUp,
) -> None:
    up = start_up(env={"CELERIAC_PIPELINES": "no.such.module"})

    assert up.wait() == 1
    assert "the module 'no.such.module' of CELERIAC_PIPELINES cannot be imported" in up.output
    assert "API" not in up.output


def test_a_given_broker_is_used_beside_another_platform(
    shared_up: Up, start_up: StartUp, redis_url: str
) -> None:
    up = start_up(env={"CELERY_BROKER_URL": redis_url})
    up.wait_until_up()

    assert up.broker_url != shared_up.broker_url

    assert up.broker_url == redis_url
    assert not (up.data_dir / "broker").exists()
    assert up.finished(up.submit("probe"))["state"] == "succeeded"
