"""The stages of the media pipeline: download, convert, clean up."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import stage
from app.jobs.model.work import Work
from app.pipelines.media.schema import Converted, Downloaded, MediaParams


@stage("download_audio", queue="download", progress=(10.0, 50.0))
def download_audio(params: MediaParams, work: Work) -> Downloaded:
    from app.pipelines.media import download  # yt-dlp takes a second to import

    return download.download(params, work)


@stage("convert_to_mp3", queue="conversion", progress=(60.0, 90.0))
def convert_to_mp3(downloaded: Downloaded, work: Work) -> Converted:
    from app.pipelines.media import convert  # mutagen, which other workers do not need

    return convert.convert(downloaded, work)


@stage("cleanup_temp_files", queue="cleanup", progress=(90.0, 100.0))
def cleanup_temp_files(converted: Converted, work: Work) -> Converted:
    """Do nothing: the platform removes the workspace after the last stage."""
    return converted


PIPELINE = Pipeline(
    kind="media",
    summary="Convert the audio of a page or media file to a tagged MP3",
    params=MediaParams,
    stages=(download_audio, convert_to_mp3, cleanup_temp_files),
)
