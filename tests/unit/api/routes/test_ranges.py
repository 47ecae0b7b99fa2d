from http import HTTPStatus

import pytest

from app.api.routes import files
from app.api.routes.files import ArtifactResponse, ByteRange, Unsatisfiable
from tests.unit.api import build

ETAG = '"abc"'


def part(start: int, end: int) -> ByteRange:
    return ByteRange(start=start, end=end)


@pytest.mark.parametrize(
    ("header", "want"),
    [
        pytest.param(None, None, id="no header means the whole file"),
        pytest.param("bytes=0-0", part(0, 1), id="the first byte"),
        pytest.param("bytes=2-5", part(2, 6), id="both ends are included"),
        pytest.param("bytes=2-", part(2, 10), id="an open end goes to the end of the file"),
        pytest.param("bytes=-3", part(7, 10), id="a suffix counts from the end"),
        pytest.param("bytes=-99", part(0, 10), id="a suffix longer than the file is all of it"),
        pytest.param("bytes=5-99", part(5, 10), id="an end past the file is cut"),
        pytest.param("BYTES = 1-2", part(1, 3), id="the unit knows no case, spaces do no harm"),
        pytest.param("bytes=5-2", None, id="a range that runs backwards is ignored"),
        pytest.param(f"bytes={'9' * 5000}-", None, id="more digits than an integer may have"),
        pytest.param("bytes=0-1,4-5", None, id="several ranges are answered with the whole"),
        pytest.param("bytes=-", None, id="a range without numbers is ignored"),
        pytest.param("lines=1-2", None, id="another unit is ignored"),
        pytest.param("bytes=a-b", None, id="letters are ignored"),
    ],
)
def test_wanted_is_the_part_that_the_header_names(
    header: str | None, want: ByteRange | None
) -> None:
    assert files.wanted(range_header=header, if_range=None, etag=ETAG, size_bytes=10) == want


@pytest.mark.parametrize(
    ("header", "size_bytes"),
    [
        pytest.param("bytes=10-", 10, id="starts behind the last byte"),
        pytest.param("bytes=-0", 10, id="a suffix of nothing"),
        pytest.param("bytes=0-", 0, id="an empty file has no first byte"),
        pytest.param("bytes=-5", 0, id="an empty file has no last bytes"),
    ],
)
def test_wanted_refuses_a_range_without_a_byte(header: str, size_bytes: int) -> None:
    with pytest.raises(Unsatisfiable):
        files.wanted(range_header=header, if_range=None, etag=ETAG, size_bytes=size_bytes)


@pytest.mark.parametrize(
    ("if_range", "want"),
    [
        pytest.param(ETAG, part(1, 3), id="the same file can be resumed"),
        pytest.param('"other"', None, id="a changed file is sent whole"),
        pytest.param(f"W/{ETAG}", None, id="a weak tag proves nothing"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", None, id="a date proves nothing here"),
    ],
)
def test_wanted_resumes_only_the_same_file(if_range: str, want: ByteRange | None) -> None:
    found = files.wanted(range_header="bytes=1-2", if_range=if_range, etag=ETAG, size_bytes=10)
    assert found == want


@pytest.mark.parametrize(
    ("header", "want"),
    [
        pytest.param(None, False, id="nothing said"),
        pytest.param(ETAG, True, id="the tag"),
        pytest.param(f'"x", W/{ETAG}', True, id="one of several, weakly"),
        pytest.param("*", True, id="any"),
        pytest.param('"x"', False, id="another tag"),
    ],
)
def test_is_known_compares_weakly(header: str | None, want: bool) -> None:  # noqa: FBT001
    assert files.is_known(header, ETAG) is want


def test_content_range_counts_from_zero_and_includes_the_end() -> None:
    assert part(2, 6).content_range(10) == "bytes 2-5/10"


@pytest.mark.parametrize(
    ("name", "want"),
    [
        pytest.param("a b.mp3", 'attachment; filename="a b.mp3"', id="plain"),
        pytest.param(
            'x"; evil="1.mp3',
            "attachment; filename=\"x_; evil=_1.mp3\"; filename*=UTF-8''x%22%3B%20evil%3D%221.mp3",
            id="a quote cannot end the value",
        ),
        pytest.param(
            "a\r\nSet-Cookie: b.mp3",
            'attachment; filename="a__Set-Cookie_ b.mp3"; '
            "filename*=UTF-8''a%0D%0ASet-Cookie%3A%20b.mp3",
            id="a line break cannot start a header",
        ),
        pytest.param(
            "Straße.mp3",
            "attachment; filename=\"Stra_e.mp3\"; filename*=UTF-8''Stra%C3%9Fe.mp3",
            id="other letters come in the second form",
        ),
        pytest.param(
            "../../etc/passwd", 'attachment; filename="passwd"', id="folders are not the client's"
        ),
        pytest.param("pages/", 'attachment; filename="file"', id="no name"),
    ],
)
def test_disposition_cannot_be_broken_out_of(name: str, want: str) -> None:
    assert files.disposition(name) == want


WHOLE = {
    "ETag": ETAG,
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-cache",
    "Content-Disposition": 'attachment; filename="song.mp3"',
    "Content-Type": "audio/mpeg",
}


@pytest.mark.parametrize(
    ("asked", "want"),
    [
        pytest.param(
            {},
            ArtifactResponse(
                status=HTTPStatus.OK, headers={**WHOLE, "Content-Length": "10"}, part=part(0, 10)
            ),
            id="the whole file",
        ),
        pytest.param(
            {"range": "bytes=-4"},
            ArtifactResponse(
                status=HTTPStatus.PARTIAL_CONTENT,
                headers={**WHOLE, "Content-Length": "4", "Content-Range": "bytes 6-9/10"},
                part=part(6, 10),
            ),
            id="a part",
        ),
        pytest.param(
            {"if-none-match": ETAG, "range": "bytes=0-1"},
            ArtifactResponse(status=HTTPStatus.NOT_MODIFIED, headers=WHOLE, part=None),
            id="nothing new",
        ),
    ],
)
def test_delivery_answers_what_was_asked(asked: dict[str, str], want: ArtifactResponse) -> None:
    assert files.delivery(build.artifact(), asked) == want
