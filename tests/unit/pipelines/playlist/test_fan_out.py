"""Listings of listings: sites that no test reaches, by what yt-dlp tells of them."""

from typing import Any

from app.pipelines.playlist import fan_out
from app.pipelines.playlist.fan_out import ListingEntry

Info = dict[str, Any]  # what yt-dlp tells


def tab(name: str) -> Info:
    return {"_type": "url", "ie_key": "YoutubeTab", "url": f"https://site/{name}"}


def video(own_id: str) -> Info:
    url = f"https://site/watch?v={own_id}"
    return {"_type": "url", "ie_key": "Youtube", "id": own_id, "url": url, "title": own_id}


def playlist(*entries: Info | None) -> Info:
    return {"_type": "playlist", "entries": list(entries)}


class Pages:
    """What yt-dlp would read at each address."""

    def __init__(self, **by_name: Info) -> None:
        self._by_url = {f"https://site/{name}": info for name, info in by_name.items()}
        self.asked: list[str] = []

    def extract_info(self, url: str, *, download: bool) -> Info:
        self.asked.append(url)
        return self._by_url[url]


def ids(pages: Pages, info: Info, *, limit: int) -> list[str | None]:
    found = fan_out.entries_of(pages, info, "https://site/channel", limit=limit)
    return [entry.own_id for entry in found]


def test_tabs_of_a_channel_are_followed_as_far_as_the_limit() -> None:
    pages = Pages(
        videos=playlist(video("a"), None, video("b")), shorts=playlist(video("c")), live=playlist()
    )
    channel = playlist(tab("videos"), tab("shorts"), tab("live"))
    assert ids(pages, channel, limit=10) == ["a", "b", "c"]
    assert ids(pages, channel, limit=2) == ["a", "b"]
    assert pages.asked[-1] == "https://site/videos"


def test_listings_in_a_circle_end() -> None:
    pages = Pages(videos=playlist(tab("videos"), video("a")))
    assert len(ids(pages, playlist(tab("videos")), limit=10)) == 3


def test_an_entry_is_known_by_its_site_and_id() -> None:
    want = ListingEntry(url="https://site/watch?v=a", title="a", site="youtube", own_id="a")
    assert fan_out.entry_of(video("a"), url=None) == want
