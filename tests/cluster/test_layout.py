"""The cluster's folder follows the environment."""

from pathlib import Path

import pytest

from tests.cluster.boot import layout


@pytest.mark.parametrize(
    ("environment", "want"),
    [
        pytest.param({"CELERIAC_CLUSTER_DIR": "/srv/x"}, Path("/srv/x"), id="the one chosen"),
        pytest.param(
            {"XDG_CACHE_HOME": "/srv/cache"},
            Path("/srv/cache/celeriac/cluster"),
            id="in the cache folder",
        ),
        pytest.param(
            {"CELERIAC_CLUSTER_DIR": "", "XDG_CACHE_HOME": ""},
            Path.home() / ".cache/celeriac/cluster",
            id="an empty setting is none",
        ),
    ],
)
def test_home_follows_the_environment(environment: dict[str, str], want: Path) -> None:
    assert layout.from_environment(environment).home == want
