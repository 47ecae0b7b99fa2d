"""The images that the tests run in the cluster."""

from dataclasses import replace
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
TEST_POSTGRESQL = Recipe(
    name="localhost/celeriac-test-postgresql",
    context=_HERE / "postgresql",
    sources=("entrypoint",),
)
OPERATOR = Recipe(
    name="localhost/celeriac-operator",
    context=_ROOT,
    sources=("requirements", "pyproject.toml", "README.md", "LICENSE", "app"),
    containerfile="Dockerfile",
    target="operator",
)
PLATFORM = replace(OPERATOR, name="localhost/celeriac", target="platform")
