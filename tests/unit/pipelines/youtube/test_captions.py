from pathlib import Path
from typing import Any

import pytest

from app.errors import LimitExceeded
from app.pipelines.youtube import captions
from app.pipelines.youtube.captions import Track

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
        pytest.param(
            WEBVTT,
            [(0, 4, "Hello & welcome to the show"), (5, 6, "Hello & welcome")],
            id="markup and notes go",
        ),
        pytest.param(SUBRIP, [(1, 2, "First line"), (2, 3, "Second line")], id="SubRip"),
        pytest.param(
            ROLLING,
            [(0, 1, "we begin"), (1.01, 2, "with a word"), (2, 3, "we begin again")],
            id="rolling lines",
        ),
        pytest.param(
            "\ufeffWEBVTT\n\n01:02:03.450 --> 01:02:04.000 align:start\nx",
            [(3723.45, 3724, "x")],
            id="a byte order mark, hours, settings",
        ),
        pytest.param("WEBVTT\n\nsoon --> later\nx", [], id="times that are none"),
        pytest.param("<html>no captions</html>", [], id="something else"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_segments_are_what_is_said_and_when(
    content: str, want: list[tuple[float, float, str]]
) -> None:
    found = captions.segments(content)
    assert [(one.start_s, one.end_s, one.text) for one in found] == want


def test_what_is_said_again_later_is_kept() -> None:
    shown = [f"00:0{n}.000 --> 00:0{n + 1}.000\n{said}" for n, said in enumerate("abcab")]
    said = captions.segments("WEBVTT\n\n" + "\n\n".join(shown))
    assert captions.text_of(said) == "a\nb\nc\na\nb"


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
        pytest.param({"subtitles": tracks("en", ext="json3")}, None, id="an unknown format"),
        pytest.param(
            {"subtitles": {"en": [{"url": "x", "ext": "vtt", "protocol": "m3u8_native"}]}},
            None,
            id="a playlist of captions",
        ),
    ],
)
def test_the_track_that_tells_best(info: dict[str, Any], want: Track | None) -> None:
    assert captions.find_track(info) == want


@pytest.mark.parametrize(
    ("languages", "want"),
    [
        pytest.param(("de", "fr"), "de", id="the first that is there"),
        pytest.param(("it", "fr"), "fr", id="else the next"),
        pytest.param(("pt-BR",), "pt-BR", id="a region before others of the language"),
        pytest.param(("it",), "en", id="none of them: as without"),
    ],
)
def test_languages_are_taken_in_their_order(languages: tuple[str, ...], want: str) -> None:
    info = {"subtitles": tracks("en", "fr", "pt", "pt-BR", "de")}
    assert captions.find_track(info, languages=languages) == track(want)


@pytest.mark.parametrize(
    "row",
    ["<" * 1_000_000, "<a" * 500_000, "{\\" * 500_000, "1:" * 500_000],
    ids=["<", "<a", "{", "1:"],
)
def test_hostile_captions_take_no_time(row: str) -> None:
    content = f"WEBVTT\n\n00:00.000 --> 00:01.000\n{row}\n\n{row}"
    assert len(captions.segments(content)) <= 1


def test_more_cues_than_anybody_speaks_are_refused() -> None:
    cue = "00:00.000 --> 00:01.000\n"
    content = "\n\n".join(f"{cue}{number}" for number in range(captions.SEGMENT_LIMIT + 1))
    with pytest.raises(LimitExceeded, match="more than 50000 cues"):
        captions.segments(content)


def test_webvtt_is_preferred() -> None:
    found = captions.find_track(
        {"subtitles": {"en": [{"url": "a", "ext": "srt"}, {"url": "b", "ext": "vtt"}]}}
    )
    assert found == Track(url="b", language="en", is_automatic=False)


CASES = Path(__file__).parents[3] / "cases"

KNOCK = ["Knock knock.", "Who is there?", "Knock knock.", "No.", "No.", "Yes!", "No."]


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("count.srt", ["Ten", "nine", "Ten", "nine", "Ten", "eight"]),
        ("repeat.vtt", KNOCK),
        ("blank_after_time.srt", ["Text after an empty line", "Next"]),
        ("inner_blank.srt", ["First line Second line after blank", "World"]),
        ("crcrlf.srt", ["Hello", "World"]),
        (
            "lt_gt.srt",
            [
                "I <3 you and a < b and c > d",
                "if x < 5 && y > 3 then go",
                "white top brace",
            ],
        ),
        (
            "cp1251.srt",
            [
                "Привет, как дела? Это проверка субтитров.",  # Cyrillic is meant
                "Всё хорошо, спасибо большое.",
            ],
        ),
    ],
)
def test_handed_captions_are_read_whole(name: str, want: list[str]) -> None:
    content = captions.decoded((CASES / name).read_bytes())
    assert [one.text for one in captions.segments(content)] == want


def test_times_of_any_precision_are_read() -> None:
    found = captions.segments((CASES / "one_digit_ms.srt").read_text())
    assert [(one.start_s, one.end_s, one.text) for one in found] == [
        (20.0, 24.4, "One digit ms"),
        (25.12, 26.46, "Two digits ms"),
        (27.0, 28.0, "No ms"),
        (29.5, 30.5, "short hour"),
    ]


TTML = """<?xml version="1.0"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
    ttp:frameRate="25"><body><div>
<p begin="00:00:01.500" end="00:00:02.500">Hello,<br/><span>it is 1 &lt; 2</span></p>
<p begin="3s" dur="1.5s">Bye</p><p begin="00:00:05:05" end="00:00:06:00">frames</p>
</div></body></tt>"""


def test_timed_text_is_read() -> None:
    found = [(one.start_s, one.end_s, one.text) for one in captions.segments(TTML)]
    assert found == [(1.5, 2.5, "Hello, it is 1 < 2"), (3.0, 4.5, "Bye"), (5.2, 6.0, "frames")]


@pytest.mark.parametrize(
    ("languages", "want"),
    [
        pytest.param(("de",), track("de", is_automatic=True), id="wanted by machine before others"),
        pytest.param(("eng",), track("en"), id="eng is en"),
        pytest.param(("fr",), track("en"), id="none of them: written ones"),
    ],
)
def test_the_wanted_language_counts_first(languages: tuple[str, ...], want: Track) -> None:
    info = {"subtitles": tracks("en"), "automatic_captions": tracks("de", "en")}
    assert captions.find_track(info, languages=languages) == want
