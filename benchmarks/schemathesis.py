"""More than 10,000 requests that schemathesis makes up from the OpenAPI document.

A shorter form of it is in the tests (`tests/integration/openapi`).
"""

import tempfile
import time
from pathlib import Path

from tests.integration.openapi import schemathesis_run, seeded

RUNS = (
    ("bounds of all parameters, with a key", ("admin",), "coverage", 1),
    ("made-up requests and what follows, two owners", ("ada", "bob"), "fuzzing,stateful", 40),
    ("made-up requests and what follows, no key", (), "fuzzing,stateful", 40),
)
"""What is tried, with whose keys, in which phases, with how many examples for each operation."""


def main() -> None:
    total, unclean = 0, []
    for name, owners, phases, examples in RUNS:
        begun_at_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as scratch:
            folder = Path(scratch)
            with seeded.serve(folder / "data", guards_loopback=bool(owners)) as found:
                outcome = schemathesis_run.run(
                    found.server.url,
                    folder / "run",
                    keys={owner: found.keys[owner] for owner in owners},
                    phases=phases,
                    examples=examples,
                )
        total += outcome.cases
        took_s = time.monotonic() - begun_at_s
        print(f"{name}: {outcome.cases} requests in {took_s:.0f} s", flush=True)
        if not outcome.is_clean:
            unclean.append(outcome.text)
    print(f"together: {total} requests, {len(unclean)} of {len(RUNS)} runs with findings")
    for text in unclean:
        print(text)
