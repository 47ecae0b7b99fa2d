import hashlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.integration import serving
from tests.integration.api import asking
from tests.integration.serving import Server
from tests.waiting import eventually

UPLOADS = "/api/v1/uploads"

LIMIT_BYTES = 3_000_000


@pytest.fixture
def small(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that takes small files only."""
    monkeypatch.setenv("CELERIAC_UPLOAD_LIMIT_BYTES", str(LIMIT_BYTES))
    with serving.serve(serving.platform_from_environment()) as server:
        yield server


def partial_files(environment: dict[str, str]) -> list[Path]:
    return list(Path(environment["TEMP_DIR"]).rglob("*.part"))


def stored_files(environment: dict[str, str]) -> list[Path]:
    return [path for path in Path(environment["STORAGE_DIR"]).rglob("*") if path.is_file()]


def test_a_file_is_kept(small: Server, environment: dict[str, str]) -> None:
    content = bytes(range(256)) * 11_000
    answer = small.http.post(UPLOADS, files={"file": ("a b.pdf", content, "application/pdf")})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["filename"], found["media_type"]) == ("a b.pdf", "application/pdf")
    assert found["size_bytes"] == len(content)
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    fetched = small.platform.stores.uploads.fetch(
        found["id"], Path(environment["TEMP_DIR"]) / "copy"
    )
    assert fetched.read_bytes() == content
    assert partial_files(environment) == []


@pytest.mark.parametrize(
    "size_bytes",
    [
        pytest.param(LIMIT_BYTES + 1, id="one byte too many"),
        pytest.param(LIMIT_BYTES * 20, id="far too large"),
    ],
)
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_file_over_the_cap_is_refused(
    small: Server, environment: dict[str, str], size_bytes: int, *, is_declared: bool
) -> None:
    boundary = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    whole = boundary + b"x" * size_bytes + b"\r\n--b--\r\n"

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(whole), 65536):
            yield whole[start : start + 65536]

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    content = whole if is_declared else pieces()
    found = asking.problem(small.http.post(UPLOADS, content=content, headers=headers))
    assert found["status"] == 413
    assert partial_files(environment) == []
    assert stored_files(environment) == []


def test_a_sender_that_disconnects_leaves_nothing(
    small: Server, environment: dict[str, str]
) -> None:
    host, port = small.url.removeprefix("http://").split(":")
    head = (
        f"POST {UPLOADS} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2900000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as sender:
        sender.sendall(head.encode() + b"x" * 1_500_000)
        eventually(lambda: partial_files(environment), why="the upload has started")
    eventually(lambda: not partial_files(environment), why="the partial file is gone")
    assert stored_files(environment) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"needs the right to mount a tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("setting", ["TEMP_DIR", "STORAGE_DIR"])
def test_a_full_disk_is_told(
    environment: dict[str, str], small_disk: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv(setting, str(small_disk))
    with serving.serve(serving.platform_from_environment()) as server:
        answer = server.http.post(UPLOADS, files={"file": b"x" * 2_500_000})
        found = asking.problem(answer)
        assert (found["status"], found["type"]) == (503, "urn:celeriac:problem:storage-unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert server.http.post(UPLOADS, files={"file": b"x"}).status_code == 201
    assert partial_files(environment) == []
    assert list(small_disk.rglob("*.part")) == []


@pytest.mark.parametrize(
    ("request_body", "want"),
    [
        pytest.param({"json": {"file": "x"}}, 415, id="JSON"),
        pytest.param({"files": {"other": b"x"}}, 422, id="a file by another name"),
        pytest.param(
            {"content": b"", "headers": {"Content-Type": "multipart/form-data"}},
            422,
            id="a form without a boundary",
        ),
    ],
)
def test_what_is_no_file_is_refused(
    shared: httpx2.Client, request_body: dict[str, object], want: int
) -> None:
    answer = shared.post(UPLOADS, **request_body)  # type: ignore[arg-type]  # as the test gives
    assert asking.problem(answer)["status"] == want


@pytest.mark.parametrize(
    ("site", "want"),
    [
        pytest.param("cross-site", 403, id="a foreign page"),
        pytest.param("same-origin", 201, id="our own page"),
        pytest.param("none", 201, id="the user"),
    ],
)
def test_foreign_pages_cannot_send_files(shared: httpx2.Client, site: str, want: int) -> None:
    answer = shared.post(UPLOADS, files={"file": b"x"}, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == want


def test_odd_names_and_types_are_kept_as_text(shared: httpx2.Client) -> None:
    answer = shared.post(UPLOADS, files={"file": ('../../é".pdf', b"x", "odd/ty\u00fcpe")})
    assert answer.status_code == 201, answer.text
    assert answer.json()["media_type"] == "application/octet-stream"
