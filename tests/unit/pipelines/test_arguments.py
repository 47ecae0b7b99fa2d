"""Task arguments, and the parameters of both pipelines."""

import pytest
from pydantic import BaseModel, ValidationError

from app.errors import InvalidInput
from app.jobs.model import stage
from app.pipelines import registry
from app.pipelines.document.schema import DocumentParams
from app.pipelines.media.schema import Downloaded, MediaParams
from app.pipelines.pdf.schema import PdfParams


def test_arguments_that_do_not_fit_are_named() -> None:
    with pytest.raises(InvalidInput) as raised:
        stage.parsed(MediaParams, {"url": "ftp://host/x", "bitrate": 1, "more": 2})
    assert [name for name in ("url", "bitrate", "more") if name not in str(raised.value)] == []


def test_arguments_are_not_repeated_in_the_message() -> None:
    with pytest.raises(InvalidInput) as raised:
        stage.parsed(MediaParams, {"url": "ftp://user:secret@host/x"})
    assert "secret" not in str(raised.value)


def test_a_stage_that_gets_something_else_says_so() -> None:
    with pytest.raises(InvalidInput, match="arguments"):
        stage.parsed(Downloaded, "a string")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/plain,hi",
        "//host/x",
        "host/x",
        "",
        "https://",
        "https://host/" + "x" * 2000,
    ],
)
def test_only_http_urls_are_taken(url: str) -> None:
    with pytest.raises(ValidationError):
        MediaParams.model_validate({"url": url})


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (MediaParams, {"url": "https://a.example/", "bitrate": 191}),
        (MediaParams, {"url": "https://a.example/", "title": " "}),
        (MediaParams, {"url": "https://a.example/", "format": "flac"}),
        (DocumentParams, {"upload_id": "u"}),
        (DocumentParams, {"chatbot_id": "b"}),
        (DocumentParams, {"chatbot_id": "b", "upload_id": "u", "file_path": "p"}),
        (DocumentParams, {"chatbot_id": "", "upload_id": "u"}),
        (PdfParams, {}),
        (PdfParams, {"upload_id": "u", "pdf_path": "p"}),
        (PdfParams, {"upload_id": "u", "language": "eng; rm"}),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    model: type[BaseModel], values: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(values)


@pytest.mark.parametrize("kind", ["media", "document", "pdf"])
def test_the_tasks_of_a_pipeline_are_those_that_it_names(kind: str) -> None:
    pipeline = registry.discover()[kind]
    named = [each.task for each in pipeline.stages]
    assert pipeline.finalizer is not None
    assert (named, pipeline.finalizer.task) == {
        "media": (["download_audio", "convert_to_mp3", "cleanup_temp_files"], "discard_temp_files"),
        "document": (["process_document"], "abandon_document"),
        "pdf": (["process_pdf_document"], "abandon_pdf_document"),
    }[kind]
