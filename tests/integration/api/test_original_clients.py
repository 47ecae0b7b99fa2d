"""The original routes, called as clients of the original servers call them."""

from dataclasses import dataclass, field

import httpx2
import pytest

from tests.integration.api import asking
from tests.integration.api.asking import JOBS, Json
from tests.integration.serving import Server

TEXT = b"Celery is a vegetable with a long stalk. Its root is called celeriac.\n" * 40
URL = "https://example.com/v"


@dataclass(frozen=True, kw_only=True)
class Call:
    """What one way of calling adds to a request."""

    params: dict[str, str] = field(default_factory=dict)
    json: Json = None
    data: dict[str, str | list[str]] | None = None
    files: list[tuple[str, tuple[str | None, str]]] | None = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


def called(http: httpx2.Client, path: str, call: Call) -> httpx2.Response:
    return http.post(
        path,
        params=call.params,
        json=call.json,
        data=call.data,
        files=call.files,
        content=call.content,
        headers=call.headers,
    )


def kept(http: httpx2.Client, answer: httpx2.Response) -> Json:
    """The parameters of the job that was accepted."""
    assert answer.status_code == 200, answer.text
    found = answer.json()
    job_id = found.get("task_id") or found["job_id"]
    return http.get(f"{JOBS}/{job_id}").json()["params"]


CURL_D = {"Content-Type": "application/x-www-form-urlencoded"}

BOTH = [f"{URL}/1", f"{URL}/2"]


@pytest.mark.parametrize(
    ("call", "want"),
    [
        pytest.param(Call(json={"bot_id": "b", "video_urls": BOTH}), BOTH, id="JSON"),
        pytest.param(
            Call(json={"bot_id": "b", "video_urls": BOTH, "language": "en"}),
            BOTH,
            id="JSON with an unknown field",
        ),
        pytest.param(Call(data={"bot_id": "b", "video_urls": BOTH}), BOTH, id="a form"),
        pytest.param(
            Call(data={"bot_id": "b", "video_urls": BOTH[0]}), BOTH[:1], id="a form with one video"
        ),
        pytest.param(
            Call(data={"bot_id": "b", "video_urls": [BOTH[0], ""], "submit": ""}),
            BOTH[:1],
            id="a page's form with an empty line and a button",
        ),
        pytest.param(
            Call(
                files=[
                    ("bot_id", (None, "b")),
                    ("video_urls", (None, BOTH[0])),
                    ("video_urls", (None, BOTH[1])),
                ]
            ),
            BOTH,
            id="curl -F",
        ),
        pytest.param(
            Call(
                content=b'{"bot_id": "b", "video_urls": ["https://example.com/v/1"]}',
                headers=CURL_D,
            ),
            BOTH[:1],
            id="curl -d with JSON",
        ),
        pytest.param(
            Call(content=b'{"bot_id": "b", "video_urls": ["https://example.com/v/1"]}'),
            BOTH[:1],
            id="JSON that says nothing of itself",
        ),
        pytest.param(
            Call(params={"bot_id": "b"}, json={"video_urls": BOTH}), BOTH, id="the bot in the query"
        ),
    ],
)
def test_videos_are_processed_however_they_are_sent(
    http: httpx2.Client, call: Call, want: list[str]
) -> None:
    answer = called(http, "/process-videos", call)
    assert kept(http, answer) == {"bot_id": "b", "video_urls": want}
    assert set(answer.json()) == {"task_id"}


def test_a_bot_may_be_a_number(http: httpx2.Client) -> None:
    body = {"bot_id": 7, "video_urls": BOTH}
    assert kept(http, http.post("/process-videos", json=body))["bot_id"] == "7"


@pytest.mark.parametrize(
    ("call", "want"),
    [
        pytest.param(Call(json={"query": "celery"}), (10, False, True), id="JSON"),
        pytest.param(
            Call(json={"query": "celery", "limit": 3, "extract_frames": True}),
            (3, True, True),
            id="JSON with what is optional",
        ),
        pytest.param(
            Call(json={"query": "celery", "limit": None, "prefer_captions": None}),
            (10, False, True),
            id="JSON with nulls",
        ),
        pytest.param(Call(data={"query": "celery"}), (10, False, True), id="a form"),
        pytest.param(
            Call(data={"query": "celery", "limit": "3", "prefer_captions": "false"}),
            (3, False, False),
            id="a form with what is optional",
        ),
        pytest.param(
            Call(data={"query": "celery", "limit": ""}), (10, False, True), id="an empty field"
        ),
        pytest.param(
            Call(files=[("query", (None, "celery")), ("limit", (None, "3"))]),
            (3, False, True),
            id="curl -F",
        ),
        pytest.param(Call(params={"query": "celery"}), (10, False, True), id="the query alone"),
        pytest.param(
            Call(params={"query": "celery", "limit": "3"}), (3, False, True), id="all in the query"
        ),
    ],
)
def test_a_search_is_begun_however_it_is_sent(
    http: httpx2.Client, call: Call, want: tuple[int, bool, bool]
) -> None:
    answer = called(http, "/scrape-youtube", call)
    found = kept(http, answer)
    assert (found["limit"], found["extract_frames"], found["prefer_captions"]) == want
    assert found["query"] == "celery"
    assert set(answer.json()) == {"task_id"}


@pytest.mark.parametrize(
    ("call", "want"),
    [
        pytest.param(Call(json={"pubmed_id": "31452104"}), None, id="JSON"),
        pytest.param(Call(json={"pubmed_id": 31452104}), None, id="a number"),
        pytest.param(Call(json={"pubmed_id": "31452104", "video_id": None}), None, id="a null"),
        pytest.param(Call(json={"pubmed_id": "31452104", "video_id": "v1"}), "v1", id="with an id"),
        pytest.param(Call(json={"pubmed_id": "31452104", "video_id": 1}), "1", id="both numbers"),
        pytest.param(Call(data={"pubmed_id": "31452104"}), None, id="a form"),
        pytest.param(
            Call(data={"pubmed_id": "31452104", "video_id": "v1"}), "v1", id="a form with an id"
        ),
        pytest.param(Call(params={"pubmed_id": "31452104"}), None, id="the query"),
    ],
)
def test_a_video_is_ordered_however_it_is_sent(
    http: httpx2.Client, call: Call, want: str | None
) -> None:
    answer = called(http, "/api/videos/generate", call)
    assert kept(http, answer) == {"pubmed_id": "31452104", "video_id": want}
    assert set(answer.json()) == {"job_id", "status"}
    found = http.get(f"/api/videos/{answer.json()['job_id']}").json()
    assert (found["pubmed_id"], found["status"], found["video_url"]) == (
        "31452104",
        "PENDING",
        None,
    )
    assert found["video_id"] == (want or found["job_id"])


@pytest.mark.parametrize(
    ("params", "data"),
    [
        pytest.param({"chatbot_id": "bot 1"}, {}, id="in the query"),
        pytest.param({}, {"chatbot_id": "bot 1"}, id="in the form"),
        pytest.param({"chatbot_id": "bot 1"}, {"chatbot_id": "bot 1"}, id="in both"),
        pytest.param({"chatbot_id": "bot 1"}, {"chatbot_id": "", "send": "Send"}, id="a page"),
    ],
)
def test_a_document_is_taken_with_its_bot(
    http: httpx2.Client, params: dict[str, str], data: dict[str, str]
) -> None:
    files = {"file": ("notes.txt", TEXT)}
    answer = http.post("/upload-document", params=params, data=data, files=files)
    found = kept(http, answer)
    assert (found["chatbot_id"], found["source_id"]) == ("bot 1", answer.json()["source_id"])
    assert set(answer.json()) == {"message", "source_id", "task_id", "status"}
    assert answer.json()["status"] == "processing"
    for path in ("task", "task-status"):
        found = http.get(f"/{path}/{answer.json()['task_id']}").json()
        assert found["status"] == "PENDING"


def test_the_status_of_a_document_is_the_same_when_it_is_done_at_once(eager: Server) -> None:
    answer = eager.http.post("/upload-document?chatbot_id=b", files={"file": ("notes.txt", TEXT)})
    assert answer.json()["status"] == "processing"
    found = eager.http.get(f"/task-status/{answer.json()['task_id']}").json()
    assert (found["status"], found["error"]) == ("SUCCESS", None)


@pytest.mark.parametrize(
    ("path", "call", "pointer"),
    [
        pytest.param("/process-videos", Call(), "#/bot_id", id="nothing"),
        pytest.param("/process-videos", Call(json={"bot_id": "b"}), "#/video_urls", id="no videos"),
        pytest.param(
            "/process-videos",
            Call(data={"bot_id": "b", "video_urls": ""}),
            "#/video_urls",
            id="an empty list",
        ),
        pytest.param(
            "/scrape-youtube", Call(data={"query": "a", "limit": "x"}), "#/limit", id="no number"
        ),
        pytest.param("/scrape-youtube", Call(params={"limit": "1"}), "#/query", id="no query"),
        pytest.param("/api/videos/generate", Call(json={}), "#/pubmed_id", id="no article"),
        pytest.param(
            "/process-videos",
            Call(
                content=b'{"bot_id": "b", "video_urls": []}', headers={"Content-Type": "text/plain"}
            ),
            "#/bot_id",
            id="what a page of another site may send",
        ),
    ],
)
def test_what_is_missing_is_pointed_at(
    shared: httpx2.Client, path: str, call: Call, pointer: str
) -> None:
    found = asking.problem(called(shared, path, call))
    assert (found["status"], found["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize(
    ("call", "want"),
    [
        pytest.param(Call(content=b"{", headers=CURL_D), 400, id="half an object"),
        pytest.param(Call(json=[1]), 422, id="a list"),
        pytest.param(Call(files=[("file", ("a.txt", "x"))]), 400, id="a file"),
        pytest.param(
            Call(
                content=b"--b\r\n",
                headers={"Content-Type": f"multipart/form-data; boundary={'b' * 300}"},
            ),
            400,
            id="a long boundary",
        ),
        pytest.param(
            Call(content=b"--b\r\n", headers={"Content-Type": "multipart/form-data"}),
            400,
            id="no boundary",
        ),
    ],
)
def test_a_broken_body_is_the_clients_fault(shared: httpx2.Client, call: Call, want: int) -> None:
    assert asking.problem(called(shared, "/scrape-youtube", call))["status"] == want


def test_two_bots_for_one_document_are_refused(shared: httpx2.Client) -> None:
    answer = shared.post(
        "/upload-document",
        params={"chatbot_id": "a"},
        data={"chatbot_id": "b"},
        files={"file": ("notes.txt", TEXT)},
    )
    assert asking.problem(answer)["status"] == 422
