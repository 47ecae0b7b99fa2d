"""Children that try what a hostile file might make them try, in the sandbox and outside of it."""

import functools
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.errors import NotConfigured, ProcessFailed
from app.settings.worker import SandboxMode
from app.worker import limits
from app.worker.process_group import ProcessGroup
from app.worker.sandbox import policy
from app.worker.sandbox.policy import KernelSupport, Sandbox
from tests.integration.processes import StartWorker

TESTS = Path(__file__).parents[2]
HOSTILE = "tests.integration.worker.hostile"

pytestmark = pytest.mark.skipif(
    bool(policy.kernel_support().missing), reason="this kernel lacks Landlock or seccomp"
)


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What the children aim at, by name."""
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    secret = other / "secret"
    secret.write_text("secret")
    (own / "link").symlink_to(secret)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield {
            "own": str(own),
            "own file": str(own / "file"),
            "other": str(other),
            "other file": str(other / "file"),
            "secret": str(secret),
            "link to secret": str(own / "link"),
            "parent": str(os.getpid()),
            "environment of the parent": f"/proc/{os.getpid()}/environ",
            "port": str(listener.getsockname()[1]),
            "program": "/bin/true",
            "nothing": "",
        }


def attempted(
    act: str,
    target: str,
    *,
    own: str,
    mode: SandboxMode = SandboxMode.REQUIRE,
    support: KernelSupport | None = None,
    may_use_network: bool = False,
) -> list[dict[str, Any]]:
    """What a child prints that attempts this."""
    lines: list[dict[str, Any]] = []
    limits.run_limited(
        HOSTILE,
        [act, target],
        memory_bytes=512 * 1024 * 1024,
        cpu_s=20,
        timeout_s=60,
        on_line=lines.append,
        sandbox=Sandbox(readable=(TESTS,), writable=(Path(own),), may_use_network=may_use_network),
        run=functools.partial(run_process, mode, support),
    )
    return lines


def run_process(
    mode: SandboxMode,
    support: KernelSupport | None,
    command: Sequence[str],
    *,
    on_line: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
    sandbox: Sandbox | None = None,
) -> str:
    assert sandbox is not None
    confinement = policy.confinement_of(sandbox, command, mode=mode, support=support)
    group = ProcessGroup(command, confinement=confinement)
    return group.run(on_line=on_line, timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("act", "target"),
    [
        pytest.param("connect", "port", id="connect to the own machine"),
        pytest.param("write", "other file", id="write outside of its folder"),
        pytest.param("read", "secret", id="read a file of the same user"),
        pytest.param("read", "link to secret", id="read it by a link"),
        pytest.param("list_folder", "other", id="list another folder"),
        pytest.param("read", "environment of the parent", id="read the parent's environment"),
        pytest.param("signal_process", "parent", id="signal the parent"),
        pytest.param("limit_process", "parent", id="limit the parent"),
        pytest.param("start_program", "program", id="start another program"),
    ],
)
def test_the_sandbox_refuses_what_is_possible_without_it(
    act: str, target: str, places: dict[str, str]
) -> None:
    own = places["own"]

    outside = attempted(act, places[target], own=own, mode=SandboxMode.OFF)
    inside = attempted(act, places[target], own=own)

    assert (outside, inside) == ([{"answer": "done"}], [{"answer": "refused"}])


@pytest.mark.parametrize(
    ("act", "target"),
    [
        pytest.param("trace", "parent", id="trace the parent"),
        pytest.param("new_namespace", "nothing", id="make a namespace"),
    ],
)
def test_the_sandbox_refuses_what_some_systems_refuse_too(
    act: str, target: str, places: dict[str, str]
) -> None:
    assert attempted(act, places[target], own=places["own"]) == [{"answer": "refused"}]


def test_a_child_may_write_in_its_folder(places: dict[str, str]) -> None:
    assert attempted("write", places["own file"], own=places["own"]) == [{"answer": "done"}]


def test_a_child_may_use_the_network_if_its_sandbox_says_so(places: dict[str, str]) -> None:
    lines = attempted("connect", places["port"], own=places["own"], may_use_network=True)

    assert lines == [{"answer": "done"}]


def test_a_setuid_program_gains_nothing_and_calls_are_filtered(places: dict[str, str]) -> None:
    status, _ = attempted("own_status", "", own=places["own"])

    assert ["NoNewPrivs:", "1"] in status["status"]
    assert ["Seccomp:", "2"] in status["status"]


def test_a_child_gets_no_url_and_no_key(
    places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret@broker")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    found, _ = attempted("own_environment", "", own=places["own"])

    assert "PATH" in found["names"]
    assert not {"REDIS_URL", "OPENAI_API_KEY"} & set(found["names"])


def test_a_kernel_without_scopes_refuses_signals_by_the_filter(places: dict[str, str]) -> None:
    old = KernelSupport(landlock_abi=1, has_filter=True)

    lines = attempted("signal_process", places["parent"], own=places["own"], support=old)

    assert lines == [{"answer": "refused"}]


@pytest.mark.parametrize(
    ("support", "want"),
    [
        pytest.param(KernelSupport(landlock_abi=0, has_filter=True), "Landlock", id="Landlock"),
        pytest.param(KernelSupport(landlock_abi=4, has_filter=False), "seccomp", id="a filter"),
    ],
)
def test_a_kernel_that_lacks_something_is_refused_if_the_sandbox_is_required(
    support: KernelSupport, want: str, places: dict[str, str]
) -> None:
    with pytest.raises(NotConfigured, match=rf"CELERIAC_SANDBOX.* lacks {want}"):
        attempted("write", places["own file"], own=places["own"], support=support)


def test_a_kernel_without_landlock_gives_the_rest_and_one_warning(
    places: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    policy._warn.cache_clear()
    without = KernelSupport(landlock_abi=0, has_filter=True)
    attempt = functools.partial(
        attempted, own=places["own"], mode=SandboxMode.AUTO, support=without
    )

    with caplog.at_level(logging.WARNING):
        answers = [
            attempt("write", places["other file"]),
            attempt("connect", places["port"]),
        ]

    assert answers == [[{"answer": "done"}], [{"answer": "refused"}]]
    assert [record.__dict__["missing"] for record in caplog.records] == ["Landlock"]


def test_a_program_that_is_not_python_runs_in_the_sandbox() -> None:
    command = ["/bin/sh", "-c", "exit 7"]
    confinement = policy.confinement_of(Sandbox(), command, mode=SandboxMode.REQUIRE)

    with pytest.raises(ProcessFailed) as failed:
        ProcessGroup(command, confinement=confinement).run()

    assert failed.value.exit_code == 7


@pytest.mark.parametrize(("mode", "is_read"), [("off", True), ("auto", False), ("require", False)])
def test_a_child_outside_of_a_job_obeys_the_setting(
    places: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    is_read: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setenv("CELERIAC_SANDBOX", mode)
    command = ["cat", places["secret"]]
    sandbox = Sandbox(writable=(Path(places["own"]),))
    if is_read:
        assert limits.run_process(command, sandbox=sandbox) is not None
        return
    with pytest.raises(ProcessFailed):
        limits.run_process(command, sandbox=sandbox)


def test_a_worker_logs_what_the_kernel_offers(start_worker: StartWorker) -> None:
    worker = start_worker(
        ["documents"], env={"CELERIAC_SANDBOX": "require", "CELERIAC_LOG_FORMAT": "json"}
    )
    worker.wait_for("sandbox of children")
    (line,) = (line for line in worker.log.splitlines() if "sandbox of children" in line)
    assert '"mode": "require"' in line
    assert "landlock_abi" in line
