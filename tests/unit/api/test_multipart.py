import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api import multipart
from app.errors import CeleriacError, InvalidInput, LimitExceeded, UnsupportedFormat

BOUNDARY = "frontier"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def field(name: str, value: str) -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
    ).encode()


def file(content: bytes, *, name: str = "file", filename: str = "a.txt") -> bytes:
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


async def stream(chunks: Sequence[bytes]) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk


def receive(
    directory: Path, *chunks: bytes, content_type: str = FORM, limit_bytes: int = 10_000_000
) -> tuple[multipart.Form, bytes]:
    """The form, and the content of its file while the caller had it."""

    async def run() -> tuple[multipart.Form, bytes]:
        source = stream(chunks)
        async with multipart.received(
            source, content_type=content_type, directory=directory, limit_bytes=limit_bytes
        ) as form:
            return form, form.file.path.read_bytes()

    return asyncio.run(run())


def partial_files(directory: Path) -> list[str]:
    return [path.suffix for path in directory.iterdir()]


def test_a_file_and_its_fields_arrive(tmp_path: Path) -> None:
    content = b"line\r\n--front" * 300_000
    form, stored = receive(tmp_path, field("chatbot_id", "bot 1"), file(content), END)
    assert form.fields == {"chatbot_id": "bot 1"}
    assert stored == content
    assert (form.file.filename, form.file.media_type) == ("a.txt", "text/plain")
    assert form.file.size_bytes == len(content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=400), step=st.integers(1, 50))
def test_the_way_the_body_is_cut_does_not_matter(tmp_path: Path, content: bytes, step: int) -> None:
    body = field("a", "b") + file(content) + END
    chunks = [body[start : start + step] for start in range(0, len(body), step)]
    form, stored = receive(tmp_path, *chunks)
    assert (form.fields, stored) == ({"a": "b"}, content)


@pytest.mark.parametrize(
    ("body", "want"),
    [
        pytest.param(field("a", "b") + END, InvalidInput, id="no file"),
        pytest.param(file(b"", filename="") + END, InvalidInput, id="no file was chosen"),
        pytest.param(file(b"1") + file(b"2") + END, InvalidInput, id="two files"),
        pytest.param(file(b"1", name="other") + END, InvalidInput, id="a file by another name"),
        pytest.param(file(b"1"), InvalidInput, id="ends early"),
        pytest.param(b"", InvalidInput, id="nothing"),
        pytest.param(b"not a form", InvalidInput, id="no boundary in the body"),
        pytest.param(file(b"x" * 1001) + END, LimitExceeded, id="one byte over the cap"),
        pytest.param(
            field("a", "x" * 70_000) + END, LimitExceeded, id="a field as large as a file"
        ),
        pytest.param(
            b"".join(field(f"f{number}", "") for number in range(51)) + END,
            InvalidInput,
            id="too many fields",
        ),
    ],
)
def test_a_refused_form_leaves_nothing_behind(
    tmp_path: Path, body: bytes, want: type[CeleriacError]
) -> None:
    with pytest.raises(want):
        receive(tmp_path, body, limit_bytes=1000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("head", "want"),
    [
        pytest.param(file(b"")[:-2], LimitExceeded, id="a file over the cap"),
        pytest.param(file(b"", name="other")[:-2], InvalidInput, id="a file by another name"),
        pytest.param(file(b"1") + file(b"")[:-2], InvalidInput, id="a second file"),
        pytest.param(field("a", "")[:-2], LimitExceeded, id="a field as large as a file"),
    ],
)
def test_a_form_is_refused_while_it_comes(
    tmp_path: Path, head: bytes, want: type[CeleriacError]
) -> None:
    sent: list[bytes] = []

    async def endless() -> AsyncGenerator[bytes, None]:
        yield head
        while True:
            sent.append(b"x" * 65_536)
            yield sent[-1]

    async def run() -> None:
        async with multipart.received(
            endless(), content_type=FORM, directory=tmp_path, limit_bytes=100_000
        ):
            pytest.fail("a refused form must not be returned")

    with pytest.raises(want):
        asyncio.run(run())
    assert len(sent) <= 2
    assert partial_files(tmp_path) == []


def test_fields_may_follow_the_file(tmp_path: Path) -> None:
    form, stored = receive(tmp_path, file(b"1"), field("chatbot_id", "bot 1"), END)
    assert (form.fields, stored) == ({"chatbot_id": "bot 1"}, b"1")


def test_a_file_of_exactly_the_cap_is_taken(tmp_path: Path) -> None:
    form, _ = receive(tmp_path, file(b"x" * 1000) + END, limit_bytes=1000)
    assert form.file.size_bytes == 1000


@pytest.mark.parametrize(
    ("content_type", "want"),
    [
        pytest.param("application/json", UnsupportedFormat, id="another type"),
        pytest.param("", UnsupportedFormat, id="no type"),
        pytest.param("multipart/form-data", InvalidInput, id="no boundary"),
    ],
)
def test_other_content_types_are_refused(
    tmp_path: Path, content_type: str, want: type[CeleriacError]
) -> None:
    with pytest.raises(want):
        receive(tmp_path, file(b"1") + END, content_type=content_type)


def test_the_file_is_gone_after_the_caller_is_done(tmp_path: Path) -> None:
    form, _ = receive(tmp_path, file(b"content") + END)
    assert not form.file.path.exists()


def test_a_sender_that_disconnects_leaves_nothing(tmp_path: Path) -> None:
    class Gone(Exception):
        pass

    async def breaking() -> AsyncGenerator[bytes, None]:
        yield file(b"x" * 3_000_000)[:2_500_000]
        assert partial_files(tmp_path) == [".part"]
        raise Gone

    async def run() -> None:
        async with multipart.received(
            breaking(), content_type=FORM, directory=tmp_path, limit_bytes=10_000_000
        ):
            pytest.fail("a broken form must not be returned")

    with pytest.raises(Gone):
        asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_odd_bytes_in_names_become_text_that_can_be_kept(tmp_path: Path) -> None:
    form, _ = receive(tmp_path, file(b"1", filename="caf\u00e9\x00.txt") + END)
    assert form.file.filename == "café\ufffd.txt"


@pytest.mark.parametrize("charset", ["idna", "unicode_escape", "utf-16", "zlib", "nowhere"])
def test_a_form_is_utf_8_whatever_it_says(tmp_path: Path, charset: str) -> None:
    body = [field("a", "\\ud800 ü"), file(b"1", filename="xn--\\ud800.txt"), END]
    form, _ = receive(tmp_path, *body, content_type=f"{FORM}; charset={charset}")
    assert form.fields == {"a": "\\ud800 ü"}
    assert form.file.filename == "xn--\\ud800.txt"


def test_a_boundary_may_hold_any_character(tmp_path: Path) -> None:
    boundary = 'a"b\\c'
    body = (file(b"1") + END).replace(BOUNDARY.encode(), boundary.encode())
    quoted = boundary.replace("\\", "\\\\").replace('"', '\\"')
    _, stored = receive(tmp_path, body, content_type=f'multipart/form-data; boundary="{quoted}"')
    assert stored == b"1"


@pytest.mark.parametrize("length", [257, 5_000])
def test_a_boundary_that_is_too_long_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(InvalidInput, match="256"):
        receive(tmp_path, content_type=f"multipart/form-data; boundary={'b' * length}")
    assert partial_files(tmp_path) == []
