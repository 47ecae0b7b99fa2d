"""A name whose address changes between two lookups does not lead into the private network.

A real resolver answers with a public address and a private one in turn, and a server listens at
both: in a network namespace of the test's own, so that the system's way to resolve names is used.
"""

import json
import subprocess
import sys

ATTEMPTS = 40
NAMESPACES = ("unshare", "--user", "--map-root-user", "--mount", "--net")
PROGRAM = "tests.integration.fetch.rebinding"


def test_a_name_that_is_rebound_leads_to_no_private_address() -> None:
    done = subprocess.run(
        [*NAMESPACES, sys.executable, "-m", PROGRAM, str(ATTEMPTS)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout)
    assert found["answers"] == ATTEMPTS  # each attempt resolves its name once
    assert found["outcomes"] == ["93.184.216.34", "AddressRefused"] * (ATTEMPTS // 2)
    assert set(found["asked"]) == {"93.184.216.34"}
