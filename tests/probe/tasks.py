"""The stages of the test pipeline."""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from celery import shared_task

from app.errors import PermanentError, RateLimited, RetryableError
from app.jobs.celery.task import JobTask
from app.jobs.model.work import Work

Given = dict[str, Any]  # JSON

GRANDCHILD = """
import subprocess, time
subprocess.Popen(["sleep", "1000"])
print("up", flush=True)
time.sleep(1000)
"""


@shared_task(name="probe_first", base=JobTask, bind=True)
def probe_first(
    self: JobTask, name: str = "probe", plan: dict[str, list[str]] | None = None
) -> Given:
    return act(self.work, "first", {"name": name, "plan": plan or {}, "trail": []})


@shared_task(name="probe_second", base=JobTask, bind=True)
def probe_second(self: JobTask, given: Given) -> Given:
    return act(self.work, "second", given)


@shared_task(name="probe_last", base=JobTask, bind=True)
def probe_last(self: JobTask, given: Given) -> Given:
    return act(self.work, "last", given)


@shared_task(name="probe_finalizer", base=JobTask, bind=True)
def probe_finalizer(self: JobTask, key: str) -> str:
    (self.work.directory.parent / f"finalized-{key}").touch()
    return key


def act(work: Work, stage: str, given: Given) -> Given:
    """Do what the plan has for this stage and attempt; add it to the trail."""
    acts = given["plan"].get(stage, ["ok"])
    chosen = acts[min(work.attempt, len(acts)) - 1]
    verb, _, argument = chosen.partition(":")
    work.progress(1, f"{stage} begins")
    made = ACTS[verb](work, argument)
    work.progress(99, f"{stage} ends")
    return {**given, "trail": [*given["trail"], f"{stage}:{chosen}"], **(made or {})}


def _ok(work: Work, argument: str) -> None:
    """Nothing to do."""


def _sleep(work: Work, argument: str) -> None:
    time.sleep(float(argument))


def _stubborn(work: Work, argument: str) -> None:
    """Goes on whatever it is told."""
    until = time.monotonic() + float(argument)
    while time.monotonic() < until:
        try:
            time.sleep(until - time.monotonic())
        except Exception:  # noqa: BLE001
            continue


def _spin(work: Work, argument: str) -> None:
    until = time.monotonic() + float(argument)
    while time.monotonic() < until:
        work.check()
        time.sleep(0.01)


def _spin_once(work: Work, argument: str) -> None:
    """Spins in the first run that gets here, whatever its attempt is called."""
    marker = work.directory / "been-here"
    if not marker.exists():
        marker.touch()
        _spin(work, argument)


def _retryable(work: Work, argument: str) -> None:
    raise RetryableError("try again")


def _limited(work: Work, argument: str) -> None:
    raise RateLimited("too fast", retry_after_s=float(argument))


def _permanent(work: Work, argument: str) -> None:
    raise PermanentError("never")


def _unknown(work: Work, argument: str) -> None:
    raise ValueError("a mistake in the code")


def _crash(work: Work, argument: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _child(work: Work, argument: str) -> None:
    work.run_process(
        ["env", f"PROBE_FOLDER={work.directory}", sys.executable, "-c", GRANDCHILD],
        on_line=lambda line: (work.directory / "child-is-up").touch(),
    )


def _odd(work: Work, argument: str) -> None:
    work.save_artifact(work.directory / "missing", name="x", media_type="text/plain")


def _artifact(work: Work, argument: str) -> None:
    path = work.directory / argument
    path.write_text(f"{argument} of attempt {work.attempt}")
    work.save_artifact(path, name=argument, media_type="text/plain")


def _deep(work: Work, argument: str) -> Given:
    """A result that is nested so deeply."""
    value: Any = 1
    for _ in range(int(argument)):
        value = [value]
    return {"made": value}


ACTS: dict[str, Callable[[Work, str], Given | None]] = {
    "ok": _ok,
    "sleep": _sleep,
    "spin": _spin,
    "spin_once": _spin_once,
    "stubborn": _stubborn,
    "retryable": _retryable,
    "limited": _limited,
    "permanent": _permanent,
    "unknown": _unknown,
    "crash": _crash,
    "child": _child,
    "artifact": _artifact,
    "odd": _odd,
    "deep": _deep,
}
