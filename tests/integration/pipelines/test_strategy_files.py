"""Strategies from uploaded files."""

import pytest

from app.errors import CeleriacError, InvalidInput, LimitExceeded, UnsupportedFormat
from app.pipelines.strategy.schema import Quote
from app.testing import RecordedWork
from tests.integration.pipelines.conftest import OpenWork
from tests.integration.pipelines.strategies import asking, claim, extracted
from tests.sites import models
from tests.sites.models import ModelServer


@pytest.fixture
def work(open_work: OpenWork, model_server: ModelServer) -> RecordedWork:
    model_server.asked.clear()
    return open_work(**asking(model_server))


def sent(work: RecordedWork, content: bytes) -> str:
    file = work.directory.parent / "sent"
    file.write_bytes(content)
    return work.stores.uploads.add(file, filename="talk.txt", media_type="text/plain").id


def test_a_text_file_is_read_in_its_own_encoding(
    work: RecordedWork, model_server: ModelServer
) -> None:
    model_server.will(
        models.tool({"entry_rules": [claim("K\u00e4ufe am Tief.", "K\u00e4ufe am Tief")]})
    )
    written = "Er sagte:\r\n\u201eK\u00e4ufe am Tief, und verkaufe am Hoch!\u201c\r\n"
    found = extracted(work, content=None, upload_id=sent(work, written.encode("utf-16")))
    [rule] = found.entry_rules
    assert rule.evidence == (Quote(text="K\u00e4ufe am Tief", start=11, end=24),)


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param(b"%PDF-1.7\n1 0 obj", UnsupportedFormat, id="a PDF"),
        pytest.param(bytes(range(256)), UnsupportedFormat, id="no text"),
        pytest.param(b" \n ", InvalidInput, id="nothing"),
        pytest.param(b"x" * 2_000_001, LimitExceeded, id="too much"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    work: RecordedWork, model_server: ModelServer, content: bytes, want: type[CeleriacError]
) -> None:
    with pytest.raises(CeleriacError) as raised:
        extracted(work, content=None, upload_id=sent(work, content))
    assert type(raised.value) is want
    assert model_server.asked == []


def test_content_that_is_too_long_is_refused(
    open_work: OpenWork, model_server: ModelServer
) -> None:
    work = open_work(**asking(model_server, CELERIAC_LLM_CONTENT_CHARACTERS="100"))
    with pytest.raises(LimitExceeded, match="100"):
        extracted(work)
