"""Runs one module within limits; the child's half of `app.worker.limits`.

A program of its own, run as `python limited.py RLIMITS MODULE ARGUMENTS...`. RLIMITS is a JSON
object of names in `resource` and their values.
"""

import json
import resource
import runpy
import sys
from pathlib import Path

OUT_OF_MEMORY = 69
"""The exit code when Python runs out of memory."""

CPU_GRACE_S = 5

ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> None:
    rlimits, module, *rest = arguments
    sys.path[0] = str(ROOT)  # in place of our own folder, which Python puts there for a program
    sys.argv = [module, *rest]
    for name, value in json.loads(rlimits).items():
        _limit(getattr(resource, name), value)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)


def _limit(number: int, value: int) -> None:
    """Set a limit, never above our own."""
    _, ceiling = resource.getrlimit(number)
    soft = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
    # The soft limit of processor time sends SIGXCPU, which shows the reason; the hard one SIGKILL.
    hard = soft + CPU_GRACE_S if number == resource.RLIMIT_CPU else soft
    resource.setrlimit(number, (soft, hard if ceiling == resource.RLIM_INFINITY else ceiling))


if __name__ == "__main__":
    main(sys.argv[1:])
