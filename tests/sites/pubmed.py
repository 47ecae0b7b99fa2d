"""A site that answers like NCBI's E-utilities: articles in PubMed's XML, and its ways to fail."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HEAD = """<?xml version="1.0" ?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2026//EN" \
"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_260101.dtd">
"""

STRUCTURED = "31000001"
PLAIN = "31000002"
WITHOUT_ABSTRACT = "31000003"
MISSING = "31999999"

ARTICLES = {
    STRUCTURED: """<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM">
<PMID Version="1">31000001</PMID>
<Article PubModel="Print-Electronic">
<Journal><ISSN IssnType="Electronic">0000-0000</ISSN>
<JournalIssue CitedMedium="Internet"><Volume>12</Volume><PubDate><Year>2024</Year><Month>Mar</Month>
</PubDate></JournalIssue><Title>Journal of Invented Trials</Title>
<ISOAbbreviation>J Inv Trials</ISOAbbreviation></Journal>
<ArticleTitle>Effect of <i>Daucus carota</i> on CO<sub>2</sub>-limited &lt;i&gt;growth&lt;/i&gt; \
&amp; yield:
a randomised trial.</ArticleTitle>
<ELocationID EIdType="doi" ValidYN="Y">10.0000/jit.2024.001</ELocationID>
<Abstract>
<AbstractText Label="BACKGROUND" NlmCategory="BACKGROUND">Celery and carrot share a family. \
Whether one helps the other is not known.</AbstractText>
<AbstractText Label="METHODS" NlmCategory="METHODS">We grew 120 plants in two groups, with \
3.5 mg vs. 4 mg of feed a day. The trial took 12 weeks (p &lt; 0.05 was the aim).</AbstractText>
<AbstractText Label="RESULTS" NlmCategory="RESULTS">Growth rose by 18% (95% CI 11\u201325). \
\u03b2-carotene did not change. No {plant} was lost where n&lt;m.</AbstractText>
<AbstractText Label="CONCLUSIONS" NlmCategory="CONCLUSIONS">The pair grows well together.\
</AbstractText>
<CopyrightInformation>No rights.</CopyrightInformation></Abstract>
<AuthorList CompleteYN="Y">
<Author ValidYN="Y"><LastName>Apium</LastName><ForeName>Ada</ForeName>\
<Initials>A</Initials></Author>
<Author ValidYN="Y"><LastName>Selin\u00f3</LastName><ForeName>Theo</ForeName></Author>
<Author ValidYN="Y"><CollectiveName>The Root Group</CollectiveName></Author>
<Author ValidYN="Y"><LastName>Last</LastName><Initials>Z</Initials></Author>
</AuthorList><Language>eng</Language></Article></MedlineCitation>
<PubmedData><ArticleIdList><ArticleId IdType="pubmed">31000001</ArticleId>
<ArticleId IdType="doi">10.0000/jit.2024.001</ArticleId></ArticleIdList></PubmedData>\
</PubmedArticle>""",
    PLAIN: """<PubmedArticle><MedlineCitation><PMID Version="1">31000002</PMID>
<Article><Journal><JournalIssue><PubDate><MedlineDate>1998 Dec-1999 Jan</MedlineDate></PubDate>
</JournalIssue><Title>Letters of Soil</Title></Journal>
<ArticleTitle>A short note.</ArticleTitle>
<Abstract><AbstractText>One thing was seen. It was seen again.</AbstractText></Abstract>
</Article></MedlineCitation></PubmedArticle>""",
    WITHOUT_ABSTRACT: """<PubmedArticle><MedlineCitation><PMID Version="1">31000003</PMID>
<Article><ArticleTitle>An erratum.</ArticleTitle></Article></MedlineCitation></PubmedArticle>""",
}

BOMB = """<?xml version="1.0"?><!DOCTYPE PubmedArticleSet [<!ENTITY a "ha">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<PubmedArticleSet>&c;</PubmedArticleSet>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it came."""

    path: str
    query: dict[str, str]
    form: dict[str, str]
    at_s: float
    """By the monotonic clock."""


@dataclass(kw_only=True)
class Library:
    """A running site. `url` is what PUBMED_BASE_URL is set to."""

    url: str
    seen: list[Seen] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[Library]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.library = Library(url=f"http://127.0.0.1:{server.server_address[1]}/entrez/eutils")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="test-pubmed")
    thread.start()
    try:
        yield server.library
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def article_set(*articles: str) -> str:
    return f"{HEAD}<PubmedArticleSet>{''.join(articles)}</PubmedArticleSet>"


def _values(encoded: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(encoded).items()}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    library: Library

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the tests, not news."""


SPECIAL: dict[str, tuple[int, str]] = {
    "400": (400, "<eFetchResult><ERROR>ID list is empty!</ERROR></eFetchResult>"),
    "429": (429, '{"error":"API rate limit exceeded","count":"4"}'),
    "502": (502, "<html>Bad gateway</html>"),
    "600": (200, BOMB),
    "601": (200, "<PubmedArticleSet><Pubmed"),
    "602": (200, "<PubmedArticleSet>" + "<a>" * 5000 + "</a>" * 5000 + "</PubmedArticleSet>"),
    "603": (200, "<PubmedArticleSet>" + "<a>and so on</a>" * 400_000 + "</PubmedArticleSet>"),
    "604": (200, "<eFetchResult><ERROR>cannot get document</ERROR></eFetchResult>"),
}
"""What is answered to these ids."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer for the id that is asked for, and note the request."""
        parts = urlsplit(self.path)
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        query = _values(parts.query)
        moment_s = time.monotonic()
        seen = Seen(path=parts.path, query=query, form=_values(form), at_s=moment_s)
        self.server.library.seen.append(seen)
        known = [ARTICLES[query["id"]]] if query["id"] in ARTICLES else []
        status, content = SPECIAL.get(query["id"], (200, article_set(*known)))
        body = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "2")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Requests are recorded, not printed."""
