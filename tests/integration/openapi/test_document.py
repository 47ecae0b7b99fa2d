"""The API does what its OpenAPI document says, for requests that schemathesis makes up from it.

`make bench ARGS=schemathesis` runs ten times as many cases, on the routes of every kind.
"""

from pathlib import Path

import pytest

from tests.integration.openapi import schemathesis_run, seeded

pytestmark = pytest.mark.timeout(1500)  # a machine of 2 cores at a load of 20


def test_the_bounds_of_every_parameter_are_those_of_the_document(tmp_path: Path) -> None:
    with seeded.serve(tmp_path / "data") as found:
        outcome = schemathesis_run.run(
            found.server.url,
            tmp_path / "run",
            keys={"admin": found.keys["admin"]},
            phases="coverage",
            examples=1,
            kinds=("document",),
        )
    assert outcome.is_clean, outcome.text
    assert outcome.cases > 1000


def test_what_follows_from_a_response_is_as_documented_and_its_owners_alone(
    tmp_path: Path,
) -> None:
    keys = ("ada", "bob")
    with seeded.serve(tmp_path / "data") as found:
        outcome = schemathesis_run.run(
            found.server.url,
            tmp_path / "run",
            keys={owner: found.keys[owner] for owner in keys},
            phases="fuzzing,stateful",
            examples=4,
        )
    assert outcome.is_clean, outcome.text
    assert outcome.cases > 150


def test_without_keys_the_document_is_true_too(tmp_path: Path) -> None:
    with seeded.serve(tmp_path / "data", guards_loopback=False) as found:
        outcome = schemathesis_run.run(
            found.server.url, tmp_path / "run", keys={}, phases="fuzzing,stateful", examples=4
        )
    assert outcome.is_clean, outcome.text
    assert outcome.cases > 150
