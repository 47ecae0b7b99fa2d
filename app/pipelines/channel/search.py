"""Where a channel job looks for videos."""

from urllib.parse import quote


def address_of(query: str, *, limit: int, search: str) -> str:
    """The query itself when it is an address; else what `search` makes of its words.

    >>> address_of("https://example.org/@ann", limit=5, search="ytsearch{limit}:{query}")
    'https://example.org/@ann'
    >>> address_of("red cars", limit=5, search="ytsearch{limit}:{query}")
    'ytsearch5:red cars'
    >>> address_of("a&b", limit=5, search="https://example.org/feed?q={query}&n={limit}")
    'https://example.org/feed?q=a%26b&n=5'
    """
    if is_address(query):
        return query
    words = quote(query, safe="") if is_address(search) else query
    return search.replace("{limit}", str(limit)).replace("{query}", words)


def is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))
