"""The CRD in the repository is what the models say, and the API server can work with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from app.control.pool.spec import WorkerPoolSpec
from app.operator import crd
from app.operator.status.pool_status import WorkerPoolStatus

FILE = Path("k8s/crd/workerpools.celeriac.dev.yaml")
ROOT = crd.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def test_the_file_is_not_stale() -> None:
    assert FILE.read_text() == crd.manifest(), "run: make generate"


def test_the_file_is_the_definition() -> None:
    assert yaml.safe_load(FILE.read_text()) == crd.definition()


@pytest.mark.parametrize(
    ("part", "model"), [("spec", WorkerPoolSpec), ("status", WorkerPoolStatus)]
)
def test_every_field_of_the_model_is_in_the_schema(part: str, model: type[BaseModel]) -> None:
    want = {field.alias for field in model.model_fields.values()} - {"poolQueues"}  # for columns
    assert set(ROOT["properties"][part]["properties"]) == want


def test_kubectl_explain_has_a_word_for_every_field() -> None:
    parts = [node for part in ("spec", "status") for node in nodes(ROOT["properties"][part])]
    silent = [path for path, node in parts if not node.get("description") and path[-2:] != "[]"]
    assert silent == []


def test_every_list_says_how_server_side_apply_merges_it() -> None:
    lists = [node for _, node in nodes(ROOT) if node.get("type") == "array"]
    assert lists
    assert all("x-kubernetes-list-type" in node for node in lists)


def test_lists_under_rules_are_bounded() -> None:
    """The API server refuses CEL rules whose cost it cannot bound."""
    spec_lists = [
        path
        for path, node in nodes(ROOT["properties"]["spec"])
        if node.get("type") == "array" and "maxItems" not in node
    ]
    assert spec_lists == []


def test_a_default_is_the_models_own() -> None:
    made = WorkerPoolSpec.model_validate({"scaleTargetRef": {"name": "x"}, "queues": ["q"]})
    dumped = made.model_dump(mode="json", by_alias=True)
    properties = ROOT["properties"]["spec"]["properties"]
    declared = {name: node["default"] for name, node in properties.items() if "default" in node}
    assert declared == {name: dumped[name] for name in declared}
    assert {"mode", "minReplicas", "maxReplicas", "pollingIntervalSeconds"} <= set(declared)


def test_no_field_has_an_empty_default() -> None:
    """The API server would store it, and `kubectl describe` show it."""
    defaults = [(path, node["default"]) for path, node in nodes(ROOT) if "default" in node]

    assert defaults
    assert [each for each in defaults if each[1] in ("", [], {}, None)] == []


def test_the_columns_fit_into_120_characters() -> None:
    """With names of usual length, three spaces between columns as kubectl leaves them."""
    widest = {
        "Name": "documents-large",
        "State": "Draining 1",
        "Queues": "orders,invoices",
        "Backlog": "1200+35",
        "Ready": "False",
        "Age": "120d",
    }
    shown = ["Name", *(name for name, _, _, priority, _ in crd.COLUMNS if priority == 0)]
    cells = [max(widest.get(name, ""), name, key=len) for name in shown]

    assert len("   ".join(cells)) <= 120


def test_every_rule_and_list_speaks_of_a_field_that_exists() -> None:
    known = {path for path, _ in nodes(ROOT["properties"]["spec"])}
    known |= {f".status{path}" for path, _ in nodes(ROOT["properties"]["status"])}
    described = {
        "".join("[]" if part == "items" else f".{part}" for part in path)
        for path in (*crd.RULES, *crd.LISTS)
    }
    assert described <= known
