"""What ffmpeg prints, as progress and as errors, and what it is told to keep to."""

import itertools
from pathlib import Path

import pytest

from app.errors import (
    CeleriacError,
    InvalidInput,
    ProcessFailed,
    RetryableError,
    StorageUnavailable,
    UnsupportedFormat,
)
from app.pipelines.media import ffmpeg


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("out_time_us=2500000\n", 2.5),
        ("out_time_us=0", 0.0),
        ("out_time_us=N/A", None),
        ("out_time_us=-100", None),
        ("out_time=00:00:02.500000", None),
        ("progress=end", None),
    ],
)
def test_progress_lines_tell_how_much_is_done(line: str, want: float | None) -> None:
    assert ffmpeg.done_s(line) == want


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("speed= 168x", 168.0),
        ("speed=0.5x", 0.5),
        ("speed=1.2e+03x", 1200.0),
        ("speed=N/A", None),
        ("bitrate=192.0kbits/s", None),
    ],
)
def test_progress_lines_tell_the_speed(line: str, want: float | None) -> None:
    assert ffmpeg.speed_ratio(line) == want


@pytest.mark.parametrize(
    ("exit_code", "output", "want"),
    [
        (234, "Stream map '' matches no streams.", UnsupportedFormat),
        (234, "Format not on whitelist 'mp3'", UnsupportedFormat),
        (183, "moov atom not found\nInvalid data found when processing input", InvalidInput),
        (183, "Error opening input: Invalid data found when processing input", InvalidInput),
        (228, "av_interleaved_write_frame(): No space left on device", StorageUnavailable),
        (1, "something new", InvalidInput),
        (1, "", InvalidInput),
        (-9, "", RetryableError),
        (-11, "", RetryableError),
    ],
)
def test_each_way_to_fail_has_its_error(
    exit_code: int, output: str, want: type[CeleriacError]
) -> None:
    error = ProcessFailed(command="ffmpeg", exit_code=exit_code, output_end=output)
    assert type(ffmpeg.of_process(error)) is want


COMMANDS = [
    pytest.param(ffmpeg.measure(Path("/w/in"), tags=Path("/w/tags"), threads=3), id="measure"),
    pytest.param(
        ffmpeg.encode(Path("/w/in"), Path("/w/out"), bitrate_kbps=192, threads=3), id="encode"
    ),
    pytest.param(ffmpeg.picture(Path("/w/in"), Path("/w/out"), threads=3), id="picture"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_keeps_to_its_threads(command: list[str]) -> None:
    options = ("-threads", "-filter_threads", "-filter_complex_threads")
    told = [(name, value) for name, value in itertools.pairwise(command) if name in options]
    assert {name for name, _ in told} == set(options)
    assert {value for _, value in told} == {"3"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_reads_one_local_file_and_nothing_else(command: list[str]) -> None:
    before_input = command[: command.index("-i")]
    assert command[command.index("-i") + 1] == "file:/w/in"
    assert command.count("-i") == 1
    assert before_input[before_input.index("-protocol_whitelist") + 1] == "file"
    formats = set(before_input[before_input.index("-format_whitelist") + 1].split(","))
    assert formats.isdisjoint({"hls", "dash", "concat", "lavfi", "image2", "sdp", "rtsp", "tee"})


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (";FFMETADATA1\ntitle=One\nARTIST=Two\n", {"title": "One", "artist": "Two"}),
        (";FFMETADATA1\ntitle=a\\=b\\;c\\#d\\\\e\\\nf\n", {"title": "a=b;c#d\\e\nf"}),
        (";FFMETADATA1\ntitle=\n", {"title": ""}),
        (";FFMETADATA1\n[CHAPTER]\ntitle=no\n", {}),
        ("", {}),
        ("\x00\x01 no metadata", {}),
    ],
)
def test_the_files_own_tags_are_read(text: str, want: dict[str, str]) -> None:
    assert ffmpeg.tags_of(text) == want
