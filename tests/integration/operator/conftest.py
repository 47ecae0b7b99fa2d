"""What the tests of the operator's adapters share."""

from pathlib import Path

import pytest


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """A kubeconfig for the server of the test; its token stands in a file."""
    (tmp_path / "token").write_text("first\n")
    return tmp_path
