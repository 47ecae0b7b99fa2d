"""Store the captions of videos as chunks. A video that fails does not fail the others."""

import dataclasses
import hashlib
import uuid
from collections.abc import Iterator, Sequence

from app.documents import items
from app.errors import CeleriacError, PermanentError, RetryableError, WorkStopped
from app.fetch import failures
from app.jobs.model.work import Work
from app.pipelines.chunking import Chunker
from app.pipelines.video_batch.schema import (
    BatchVideoStatus,
    Video,
    VideoBatchParams,
    VideoBatchResult,
    VideoError,
)
from app.pipelines.youtube import video_contents
from app.pipelines.youtube.schema import Metadata, Origin, Segment, Transcript
from app.storage.chunks import NewChunk

NAMESPACE = uuid.UUID("7d1f4b3e-5b0a-4f0e-9a39-1c6c0f6f2d55")
"""Namespace of the ids of video sources."""


def store_captions(params: VideoBatchParams, work: Work) -> VideoBatchResult:
    """Process the videos in order.

    Raises an error only if all videos failed: RetryableError if a retry may help, else the error
    of the first one. Raises the errors of `check`.
    """
    videos: list[Video] = []
    errors: list[CeleriacError] = []
    for number, address in enumerate(params.video_urls):
        url = str(address)
        count = f"{number + 1} of {len(params.video_urls)}"
        work.progress(100 * number / len(params.video_urls), f"video {count}")
        try:
            videos.append(_processed(url, params.bot_id, work))
        except WorkStopped:
            raise
        except CeleriacError as error:
            errors.append(error)
            videos.append(_failed(url, error))
    if len(errors) == len(videos):
        raise worst(errors)
    work.progress(100, f"{len(videos) - len(errors)} of {len(videos)} videos are stored")
    ready = len(videos) - len(errors)
    return VideoBatchResult(
        bot_id=params.bot_id, ready=ready, failed=len(errors), videos=tuple(videos)
    )


def worst(errors: list[CeleriacError]) -> CeleriacError:
    """The error of a batch whose videos have all failed."""
    healing = next((error for error in errors if isinstance(error, RetryableError)), None)
    return healing or next(
        (error for error in errors if isinstance(error, PermanentError)), errors[0]
    )


def _processed(url: str, bot_id: str, work: Work) -> Video:
    metadata, transcript = video_contents.fetch(url, work)
    chunks = list(_chunks(metadata, transcript, work))
    source = work.stores.sources.ensure(
        source_id(bot_id, metadata.url),
        chatbot_id=bot_id,
        filename=metadata.title or metadata.url,
        job_id=work.job_id,
    )
    work.stores.chunks.replace(source.id, chunks, chatbot_id=bot_id)
    digest = hashlib.sha256(transcript.text.encode()).hexdigest()
    work.stores.sources.mark_ready(source.id, content_sha256=digest)
    return Video(
        url=failures.shown(url),
        status=BatchVideoStatus.READY,
        source_id=source.id,
        video_id=metadata.video_id,
        title=metadata.title,
        language=transcript.language,
        origin=transcript.origin,
        is_automatic=transcript.origin is not Origin.MANUAL_CAPTIONS,
        chunks=len(chunks),
        characters=len(transcript.text),
    )


def source_id(bot_id: str, page_url: str) -> str:
    """Constant for a bot and page, so that processing a video again replaces its chunks."""
    return str(uuid.uuid5(NAMESPACE, f"{bot_id}\n{page_url}"))


def _chunks(metadata: Metadata, transcript: Transcript, work: Work) -> Iterator[NewChunk]:
    settings = work.settings.documents
    chunker = Chunker(tokens=settings.chunk_tokens, overlap_tokens=settings.chunk_overlap_tokens)
    origin = {"url": metadata.url, "title": metadata.title, "language": transcript.language}
    known = {name: value for name, value in origin.items() if value is not None}
    for number, segment in enumerate(transcript.segments):
        work.check()
        for block in items.cut(segment.text, joint=items.LINE, row=number):
            yield from (_placed(chunk, known, transcript.segments) for chunk in chunker.add(block))
    yield from (_placed(chunk, known, transcript.segments) for chunk in chunker.finish())


def _placed(chunk: NewChunk, known: dict[str, str], segments: Sequence[Segment]) -> NewChunk:
    """The chunk with its source; its position is a time range instead of rows."""
    place = dict(chunk.metadata)
    first, last = place.pop("rows")
    times = {"start_s": segments[first].start_s, "end_s": segments[last].end_s}
    return dataclasses.replace(chunk, metadata={**place, **known, **times})


def _failed(url: str, error: CeleriacError) -> Video:
    problem = VideoError(
        type=error.type, message=str(error), retryable=isinstance(error, RetryableError)
    )
    return Video(url=failures.shown(url), status=BatchVideoStatus.FAILED, error=problem)
