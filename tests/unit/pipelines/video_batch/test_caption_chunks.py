import pytest

from app.errors import CeleriacError, NotFound, RetryableError, UnsupportedFormat
from app.pipelines.video_batch import caption_chunks

GONE, MUTE, BUSY = NotFound("gone"), UnsupportedFormat("no captions"), RetryableError("busy")


@pytest.mark.parametrize(
    ("errors", "want"),
    [
        pytest.param([GONE, MUTE], GONE, id="the first that will not heal"),
        pytest.param([GONE, BUSY], BUSY, id="another attempt may help"),
    ],
)
def test_a_batch_fails_with_the_error_that_says_what_to_do(
    errors: list[CeleriacError], want: CeleriacError
) -> None:
    assert caption_chunks.worst(errors) is want


def test_a_source_is_known_again() -> None:
    ids = {caption_chunks.source_id(bot, page) for bot in ("a", "b") for page in ("x", "y")}
    assert len(ids) == 4
    assert caption_chunks.source_id("a", "x") in ids
