"""Tests can interrupt what they start, also when a script has started them in the background."""

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_ctrl_c_is_taken_in_tests() -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_is_taken_where_it_was_ignored_at_the_start() -> None:
    this = f"{Path(__file__).relative_to(ROOT)}::{test_ctrl_c_is_taken_in_tests.__name__}"
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider {this} & wait $!"

    # A shell without job control ignores SIGINT for what it starts with `&`.
    done = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
