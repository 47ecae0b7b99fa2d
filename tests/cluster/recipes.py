"""The images that the tests run in the cluster."""

from pathlib import Path

from tests.cluster.boot.images import Recipe

_HERE = Path(__file__).parent

TEST_APP = Recipe(
    name="localhost/celeriac-test-app",
    context=_HERE / "app",
    sources=("requirements.txt", "tasks.py"),
)
TEST_REDIS = Recipe(
    name="localhost/celeriac-test-redis", context=_HERE / "redis", sources=("serve",)
)
