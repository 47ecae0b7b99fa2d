"""Runs one module within limits; the child's half of `app.worker.limits`.

A program of its own, run as `python limited.py RLIMITS MODULE ARGUMENTS...`; RLIMITS is a JSON
object
of names in `resource` and their values.
"""

import json
import resource
import runpy
import sys
from pathlib import Path

OUT_OF_MEMORY = 69
"""Its exit code when Python itself was refused memory."""

ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> None:
    rlimits, module, *rest = arguments
    sys.path[0] = str(ROOT)  # in place of our own folder, which Python puts there for a program
    sys.argv = [module, *rest]
    for name, value in json.loads(rlimits).items():
        _, ceiling = resource.getrlimit(number := getattr(resource, name))
        wanted = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        resource.setrlimit(number, (wanted, wanted))
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main(sys.argv[1:])
