"""The site's pages."""

import html
from collections.abc import Sequence

from tests.sites import media

VIDEO_TITLE = "Evening Train / Live in the Valley"

VIDEO = f"""<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{VIDEO_TITLE}</title>
  <meta property="og:title" content="{VIDEO_TITLE}">
  <meta property="og:description" content="A tone, rising.">
  <meta property="og:image" content="/media/poster.png">
</head>
<body>
  <h1>{VIDEO_TITLE}</h1>
  <video controls poster="/media/poster.png">
    <source src="/media/clip.mp4" type="video/mp4">
    <track kind="subtitles" src="/captions/en.vtt" srclang="en" label="English" default>
    <track kind="subtitles" src="/captions/de.vtt" srclang="de" label="Deutsch">
  </video>
</body>
</html>
"""

CAPTIONS = {
    "en": "WEBVTT\n\n00:00.000 --> 00:04.000\nA tone.\n\n00:04.000 --> 00:12.000\nIt rises.\n",
    "de": "WEBVTT\n\n00:00.000 --> 00:04.000\nEin Ton.\n\n00:04.000 --> 00:12.000\nEr steigt.\n",
}

TEXT = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Only words</title></head>
<body><h1>Only words</h1><p>There is nothing to listen to on this page.</p></body></html>
"""


def video_of(source: str, *, cover: str = "", captions: str = "", title: str = "One video") -> str:
    """A page whose one video lies at `source`, its picture at `cover`, its English `captions`."""
    track = f'<track kind="subtitles" src="{captions}" srclang="en">' if captions else ""
    return (
        f"<!DOCTYPE html><html><head><title>{html.escape(title)}</title>"
        f'<meta property="og:image" content="{cover}"></head><body>'
        f'<video controls><source src="{source}" type="video/mp4">{track}</video></body></html>'
    )


def feed(title: str, links: Sequence[str]) -> str:
    """A feed (RSS) of pages with a video each."""
    items = (
        f"<item><title>Entry {number}</title><link>{html.escape(link)}</link></item>"
        for number, link in enumerate(links, start=1)
    )
    return (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>{html.escape(title)}</title>'
        f"{''.join(items)}</channel></rss>"
    )


MASTER_PLAYLIST = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=320x180,CODECS="avc1.42c00c,mp4a.40.2"
clip.m3u8
"""

SPLIT_PLAYLIST = """#EXTM3U
#EXT-X-VERSION:4
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="en",LANGUAGE="en",DEFAULT=YES,URI="clip.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=320x180,CODECS="avc1.42c00c,mp4a.40.2",AUDIO="sound"
clip.m3u8
"""

PROTECTED_PLAYLIST = """#EXTM3U
#EXT-X-VERSION:5
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="/media/key"
#EXTINF:2.0,
clip000.ts
#EXT-X-ENDLIST
"""

LIVE_PLAYLIST = f"""#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:{media.CLIP_S}
#EXT-X-MEDIA-SEQUENCE:41
#EXTINF:2.0,
clip000.ts
"""

INDEX = """<!DOCTYPE html><html><head><title>Test site</title></head><body><ul>
<li><a href="/video">a page with a video</a>
<li><a href="/media/clip.mp4">the file itself</a>
<li><a href="/hls/master.m3u8">an HLS playlist</a>
<li><a href="/text">a page without media</a>
</ul></body></html>"""

TWO_VIDEOS = """<!DOCTYPE html><html><head><title>Two videos</title></head><body>
<video controls><source src="/media/clip.mp4" type="video/mp4"></video>
<video controls><source src="/media/mute.mp4" type="video/mp4"></video></body></html>
"""
