import uuid

import httpx2
import pytest

from tests.integration.api import asking
from tests.integration.api.asking import JOBS, Json
from tests.integration.processes import StartWorker
from tests.integration.serving import Server
from tests.waiting import eventually

TEXT = b"Celery is a vegetable with a long stalk. Its root is called celeriac.\n" * 40


@pytest.fixture
def http(server: Server, start_worker: StartWorker) -> httpx2.Client:
    start_worker(["documents"])
    return server.http


def test_a_document_is_processed(http: httpx2.Client, server: Server) -> None:
    answer = http.post(
        "/upload-document", data={"chatbot_id": "bot 1"}, files={"file": ("notes.txt", TEXT)}
    )
    assert answer.status_code == 200, answer.text
    accepted = answer.json()
    assert set(accepted) == {"message", "source_id", "task_id", "status"}
    assert accepted["status"] == "processing"

    def done() -> Json:
        status = http.get(f"/task-status/{accepted['task_id']}").json()
        return status if status["status"] in ("SUCCESS", "FAILURE") else None

    found = eventually(done, why="the document is processed")
    assert set(found) == {"task_id", "status", "result", "error"}
    assert (found["status"], found["error"]) == ("SUCCESS", None)
    source = server.platform.stores.sources.get(accepted["source_id"])
    assert (source.status, source.chatbot_id, source.filename) == ("ready", "bot 1", "notes.txt")
    chunks = server.platform.stores.chunks.of_source(source.id)
    assert "celeriac" in chunks[0].text


@pytest.mark.parametrize(
    ("data", "files"),
    [
        pytest.param({}, {"file": ("a.txt", b"x")}, id="no bot"),
        pytest.param({"chatbot_id": " "}, {"file": ("a.txt", b"x")}, id="an empty bot"),
        pytest.param({"chatbot_id": "x" * 201}, {"file": ("a.txt", b"x")}, id="a bot too long"),
        pytest.param({"chatbot_id": "b"}, {"other": ("a.txt", b"x")}, id="no file"),
    ],
)
def test_half_a_form_is_refused(
    shared: httpx2.Client, data: dict[str, str], files: dict[str, tuple[str, bytes]]
) -> None:
    answer = shared.post("/upload-document", data=data, files=files)
    assert asking.problem(answer)["status"] == 422


def test_a_document_that_can_not_be_read_is_a_failure(eager: Server) -> None:
    answer = eager.http.post(
        "/upload-document",
        data={"chatbot_id": "b"},
        files={"file": ("a.pdf", b"%PDF-1.7 and no more")},
    )
    accepted = answer.json()
    found = eager.http.get(f"/task/{accepted['task_id']}").json()
    assert set(found) == {"task_id", "status", "done", "error"}
    assert (found["status"], found["done"]) == ("FAILURE", True)


def test_a_task_that_nobody_knows_is_pending(shared: httpx2.Client) -> None:
    for task_id in ("anything", str(uuid.uuid4()), "%00", "é"):
        assert shared.get(f"/task/{task_id}").json()["status"] == "PENDING"
        assert shared.get(f"/task-status/{task_id}").json()["result"] is None


def test_a_plain_task_is_known_by_its_celery_id(server: Server, start_worker: StartWorker) -> None:
    start_worker(["default", "download"], app=asking.PROBE_APP)
    celery = server.platform.celery
    good = celery.send_task("probe_first", kwargs={"name": "plain"}, queue="default")
    bad = celery.send_task(
        "probe_first", kwargs={"plan": {"first": ["permanent"]}}, queue="default"
    )

    def ended(task_id: str) -> Json:
        found = server.http.get(f"/task/{task_id}").json()
        return found if found["done"] else None

    succeeded = eventually(lambda: ended(good.id), why="the task has succeeded")
    assert succeeded["status"] == "SUCCESS"
    assert succeeded["result"] == {"name": "plain", "plan": {}, "trail": ["first:ok"]}
    failed = eventually(lambda: ended(bad.id), why="the task has failed")
    assert failed == {
        "task_id": bad.id,
        "status": "FAILURE",
        "done": True,
        "error": "PermanentError: never",
    }


def test_a_cancelled_job_is_revoked(server: Server) -> None:
    job = asking.submit(server.http)
    server.http.post(f"{JOBS}/{job['id']}:cancel")
    assert server.http.get(f"/task/{job['id']}").json() == {
        "task_id": job["id"],
        "status": "REVOKED",
        "done": True,
        "result": None,
    }
