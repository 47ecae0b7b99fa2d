"""The images that the tests run in the cluster."""

from pathlib import Path

from tests.cluster.boot.images import Recipe

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]

TEST_APP = Recipe(
    name="localhost/celeriac-test-app",
    context=_HERE / "app",
    sources=("requirements.txt", "tasks.py"),
)
TEST_REDIS = Recipe(
    name="localhost/celeriac-test-redis", context=_HERE / "redis", sources=("serve",)
)
OPERATOR = Recipe(
    name="localhost/celeriac-operator",
    context=_ROOT,
    sources=("requirements", "pyproject.toml", "README.md", "LICENSE", "app"),
    containerfile="Dockerfile",
    target="operator",
)
