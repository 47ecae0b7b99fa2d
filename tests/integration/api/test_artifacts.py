from collections.abc import Callable

import httpx2
import pytest

from tests.integration.api import asking
from tests.integration.api.asking import JOBS
from tests.integration.serving import Server

TEXT = b"notes.txt of attempt 1"


@pytest.fixture
def url(eager: Server) -> str:
    """Where a file can be downloaded that a job has made."""
    job = asking.submit(eager.http, plan={"first": ["artifact:notes.txt"]})
    assert [found["name"] for found in job["artifacts"]] == ["notes.txt"]
    return str(job["artifacts"][0]["url"])


@pytest.fixture
def http(eager: Server) -> httpx2.Client:
    return eager.http


def test_a_file_is_downloaded_whole(http: httpx2.Client, url: str) -> None:
    answer = http.get(url)
    assert (answer.status_code, answer.content) == (200, TEXT)
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Length"] == str(len(TEXT))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="notes.txt"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_parts_and_conditions(http: httpx2.Client, url: str) -> None:
    etag = http.get(url).headers["ETag"]

    def asked(**headers: str) -> tuple[int, bytes]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = http.get(url, headers=given)
        return answer.status_code, answer.content

    assert asked(Range="bytes=0-4") == (206, TEXT[:5])
    assert asked(Range="bytes=-9") == (206, TEXT[-9:])
    assert asked(Range="bytes=6-", If_Range=etag) == (206, TEXT[6:])
    assert asked(Range="bytes=6-", If_Range='"other"') == (200, TEXT)
    assert asked(If_None_Match=etag) == (304, b"")


def test_a_part_that_is_not_there(http: httpx2.Client, url: str) -> None:
    answer = http.get(url, headers={"Range": "bytes=1000-"})
    assert asking.problem(answer)["status"] == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(TEXT)}"


def test_head_tells_what_get_would_send(http: httpx2.Client, url: str) -> None:
    head, get = http.head(url), http.get(url)
    compared = ("Content-Length", "Content-Type", "ETag", "Accept-Ranges")
    assert (head.status_code, head.content) == (200, b"")
    assert [head.headers[name] for name in compared] == [get.headers[name] for name in compared]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda url: url + "x", id="another name"),
        pytest.param(lambda url: url.rpartition("/")[0] + "/..%2f..%2fetc%2fpasswd", id="a path"),
        pytest.param(lambda url: url.rpartition("/")[0] + "/%00", id="a NUL character"),
        pytest.param(lambda url: url.rpartition("/")[0] + "/%ff%fe", id="no text"),
    ],
)
def test_no_other_file_can_be_reached(
    http: httpx2.Client, url: str, other: Callable[[str], str]
) -> None:
    assert asking.problem(http.get(other(url)))["status"] == 404


def test_the_files_of_a_job_are_listed(http: httpx2.Client, url: str) -> None:
    listing = url.rpartition("/")[0]
    assert listing.startswith(JOBS)
    (found,) = http.get(listing).json()["items"]
    assert (found["name"], found["size_bytes"], found["url"]) == ("notes.txt", len(TEXT), url)
