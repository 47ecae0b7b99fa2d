from typing import Any

import pytest

from app.pipelines.video_batch import captions
from app.pipelines.video_batch.captions import Track

WEBVTT = """WEBVTT
Kind: captions

STYLE
::cue { color: red }

NOTE a remark --
of two lines

intro
00:00:00.000 --> 00:00:04.000 align:start position:0%
<v Ann><c.yellow>Hello</c> &amp; welcome
to   the show

00:00:04.000 --> 00:00:05.000

00:00:05.000 --> 00:00:06.000
Hello & welcome
"""

SUBRIP = """1\r
00:00:01,000 --> 00:00:02,000\r
<i>First</i> line\r
\r
2\r
00:00:02,000 --> 00:00:03,000\r
{\\an8}Second line\r
"""

ROLLING = """WEBVTT

00:00.000 --> 00:01.000
we begin

00:01.000 --> 00:01.010
we begin

00:01.010 --> 00:02.000
we begin
with<00:01.200><c> a</c><00:01.400><c> word</c>

00:02.000 --> 00:03.000
with a word
we begin again
"""


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param(WEBVTT, ["Hello & welcome", "to the show"], id="markup, notes and styles go"),
        pytest.param(SUBRIP, ["First line", "Second line"], id="SubRip"),
        pytest.param(ROLLING, ["we begin", "with a word", "we begin again"], id="rolling lines"),
        pytest.param("\ufeffWEBVTT\n\n00:00.000 --> 00:01.000\nx", ["x"], id="a byte order mark"),
        pytest.param("<html>no captions</html>", [], id="something else"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_lines_are_what_is_said(content: str, want: list[str]) -> None:
    assert captions.lines(content) == want


def test_what_is_said_again_later_is_kept() -> None:
    cues = [f"00:0{n}.000 --> 00:0{n + 1}.000\n{said}" for n, said in enumerate("abcab")]
    assert captions.lines("WEBVTT\n\n" + "\n\n".join(cues)) == ["a", "b", "c", "a", "b"]


def tracks(*languages: str, ext: str = "vtt") -> dict[str, list[dict[str, str]]]:
    return {one: [{"url": f"http://site/{one}.{ext}", "ext": ext}] for one in languages}


def track(language: str, *, is_automatic: bool = False) -> Track:
    url = f"http://site/{language}.vtt"
    return Track(url=url, language=language, is_automatic=is_automatic)


@pytest.mark.parametrize(
    ("info", "want"),
    [
        pytest.param({}, None, id="no captions"),
        pytest.param({"subtitles": {}, "automatic_captions": None}, None, id="none of any kind"),
        pytest.param({"subtitles": tracks("de", "en")}, track("en"), id="English at a loss"),
        pytest.param(
            {"subtitles": tracks("en", "de-CH"), "language": "de"}, track("de-CH"), id="as spoken"
        ),
        pytest.param({"subtitles": tracks("fr", "it")}, track("fr"), id="else what is there"),
        pytest.param(
            {"subtitles": tracks("fr"), "automatic_captions": tracks("en")},
            track("fr"),
            id="written before recognised",
        ),
        pytest.param(
            {"automatic_captions": tracks("en", "ja", "ja-orig")},
            track("ja-orig", is_automatic=True),
            id="recognised before translated",
        ),
        pytest.param({"subtitles": tracks("en", ext="ttml")}, None, id="a format nobody reads"),
        pytest.param(
            {"subtitles": {"en": [{"url": "x", "ext": "vtt", "protocol": "m3u8_native"}]}},
            None,
            id="a playlist of captions",
        ),
    ],
)
def test_the_track_that_tells_best(info: dict[str, Any], want: Track | None) -> None:
    assert captions.find_track(info) == want


def test_webvtt_is_preferred() -> None:
    found = captions.find_track(
        {"subtitles": {"en": [{"url": "a", "ext": "srt"}, {"url": "b", "ext": "vtt"}]}}
    )
    assert found == Track(url="b", language="en", is_automatic=False)
