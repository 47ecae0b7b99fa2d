"""Paths of the API server's objects."""

import pytest

from app.errors import InvalidInput
from app.operator.kubernetes import apiserver


def test_what_is_in_a_name_stays_one_segment() -> None:
    path = apiserver.object_path("v1", "secrets", namespace="shop", name="../../victim?x#y")
    assert path == "/api/v1/namespaces/shop/secrets/..%2F..%2Fvictim%3Fx%23y"


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_would_lead_up_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        apiserver.object_path("v1", "secrets", namespace="shop", name=name)
    with pytest.raises(InvalidInput):
        apiserver.object_path("v1", "secrets", namespace=name, name="broker")


@pytest.mark.parametrize("version", ["", "..", "apps/..", "a/b/c"])
def test_an_api_version_is_one_or_two_segments(version: str) -> None:
    with pytest.raises(InvalidInput):
        apiserver.group_path(version)
