"""`celeriac` once for each of many settings, each in a child that is forked when all is imported.

A process of its own: `python -m tests.integration.forked_commands CASES` reads a list of arguments,
environment and folder. What a child prints is in its folder, as `output`. One that would go on for
ever is ended after a while.
"""

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

RUNS_S = 5.0
AT_ONCE = 8

IMPORTED = (
    *("app.cli.application", "app.celery_app", "app.main", "app.local.local_platform"),
    *("app.exporter.exporter", "app.operator.kopf_process", "app.storage.migrate"),
    *("celery.bin.celery", "celery.bin.worker", "celery.bin.beat", "celery.apps.worker"),
    *("celery.apps.beat", "uvicorn.main", "httpx2", "alembic.command"),
)


def main(path: str) -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    running: set[int] = set()
    for case in json.loads(Path(path).read_text()):
        if len(running) >= AT_ONCE:
            running.discard(os.wait()[0])
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _become(case)
        running.add(pid)
    while running:
        running.discard(os.wait()[0])


def _become(case: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        _enter(Path(case["folder"]), case["environment"])
        code = _run(case["arguments"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _enter(folder: Path, environment: dict[str, str]) -> None:
    os.setsid()
    os.chdir(folder)
    output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(environment)
    signal.setitimer(signal.ITIMER_REAL, RUNS_S)


def _run(arguments: list[str]) -> int:
    os.execv = _become_celery  # type: ignore[assignment]  # a new program imports all of it again
    sys.argv = ["celeriac", *arguments]
    return _exit_code("app.cli.application")


def _become_celery(_program: str, arguments: list[str]) -> NoReturn:
    sys.argv = ["celery", *arguments[3:]]
    raise SystemExit(_exit_code("celery.__main__"))


def _exit_code(module: str) -> int:
    try:
        importlib.import_module(module).main()
    except SystemExit as ending:
        return int(ending.code or 0) if not isinstance(ending.code, str) else 1
    except BaseException:  # noqa: BLE001  # as Python does with what nobody catches
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main(sys.argv[1])
