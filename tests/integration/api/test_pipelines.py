import httpx2


def test_kinds_come_with_the_schema_of_their_parameters(shared: httpx2.Client) -> None:
    found = {kind["kind"]: kind for kind in shared.get("/api/v1/pipelines").json()["items"]}
    probe = found["probe"]
    assert probe["summary"] == "does what its parameters say"
    assert set(probe["params_schema"]["properties"]) == {"name", "plan"}
    assert probe["stages"][0] == {
        "task": "probe_first",
        "queue": "default",
        "progress": [10.0, 50.0],
    }


def test_the_document_shows_each_kind_with_its_own_parameters(shared: httpx2.Client) -> None:
    document = shared.get("/openapi.json").json()
    operation = document["paths"]["/api/v1/jobs/probe"]["post"]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    submission = document["components"]["schemas"][reference.rpartition("/")[2]]
    assert submission["properties"]["params"]["$ref"].endswith("/ProbeParams")
    assert operation["responses"]["202"]["headers"].keys() == {"Location", "Retry-After"}


def test_every_operation_says_that_errors_are_problems(shared: httpx2.Client) -> None:
    document = shared.get("/openapi.json").json()
    others = [
        (path, method)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, response in operation["responses"].items()
        if status >= "4" and response != {"$ref": f"#/components/responses/Problem{status}"}
    ]
    assert others == []


def test_operation_ids_are_unique(shared: httpx2.Client) -> None:
    document = shared.get("/openapi.json").json()
    ids = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(ids) == len(set(ids))
