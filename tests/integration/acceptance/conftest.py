"""A running platform, and the sites that its jobs fetch from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import up as platforms
from tests.sites import server
from tests.sites.server import Site
from tests.up import Up


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with platforms.running(tmp_path) as platform:
        yield platform


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with server.serve() as served:
        yield served
