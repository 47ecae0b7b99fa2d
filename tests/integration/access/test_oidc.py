"""Bearer tokens of an identity provider: a real issuer on this machine, real keys."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.integration import serving
from tests.integration.serving import Server

Json = Any  # a JSON value

AUDIENCE = "celeriac-of-this-test"


@dataclass
class Issuer:
    """An OpenID Connect provider: discovery, keys, and tokens of whatever claims."""

    url: str
    documents: dict[str, Json] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    private: dict[str, Any] = field(default_factory=dict)  # keys of several kinds

    def add_key(self, key_id: str, private: Any) -> None:  # a key of some kind
        self.private[key_id] = private
        is_rsa = isinstance(private, rsa.RSAPrivateKey)
        algorithm: Any = jwt.algorithms.RSAAlgorithm if is_rsa else jwt.algorithms.ECAlgorithm
        public = json.loads(algorithm.to_jwk(private.public_key())) | {"kid": key_id, "use": "sig"}
        self.documents["/keys"]["keys"].append(public)

    def token(self, *, key_id: str = "one", algorithm: str = "RS256", **changes: Json) -> str:
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ada",
            "exp": time.time() + 600,
            "groups": ["shop"],
        }
        given = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(given, self.private[key_id], algorithm, headers={"kid": key_id})


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def issuer(rsa_key: rsa.RSAPrivateKey) -> Iterator[Issuer]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append(self.path)
            body = json.dumps(found.documents.get(self.path)).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not on the terminal of the tests."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}/realm"
    found = Issuer(url)
    base = f"http://127.0.0.1:{server.server_port}"
    about = {"issuer": url, "jwks_uri": f"{base}/keys"}
    found.documents = {"/realm/.well-known/openid-configuration": about, "/keys": {"keys": []}}
    found.add_key("one", rsa_key)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join(timeout=30)
    server.server_close()


@pytest.fixture
def server(
    environment: dict[str, str], issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    monkeypatch.setenv("CELERIAC_GUARD_LOOPBACK", "true")
    monkeypatch.setenv("CELERIAC_OIDC_ISSUER", issuer.url)
    monkeypatch.setenv("CELERIAC_OIDC_AUDIENCE", AUDIENCE)
    monkeypatch.setenv("CELERIAC_OIDC_GROUPS", "shop=submit, watch=read, ops=admin")
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


def access_of(server: Server, token: str) -> tuple[int, Json]:
    headers = {"Authorization": f"Bearer {token}"}
    answer = server.http.get("/api/v1/access", headers=headers)
    return answer.status_code, answer.json()


def test_a_token_acts_for_its_subject_with_the_scope_of_its_group(
    server: Server, issuer: Issuer
) -> None:
    status, found = access_of(server, issuer.token())
    assert (status, found["owner"], found["scope"]) == (200, "ada", "submit")


def test_the_largest_scope_of_several_groups_counts(server: Server, issuer: Issuer) -> None:
    _, found = access_of(server, issuer.token(groups=["other", "watch", "ops"]))
    assert found["scope"] == "admin"


def test_keys_of_elliptic_curves_are_read_too(server: Server, issuer: Issuer) -> None:
    issuer.add_key("two", ec.generate_private_key(ec.SECP256R1()))
    assert access_of(server, issuer.token(key_id="two", algorithm="ES256"))[0] == 200


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"exp": 1}, "expired", id="expired"),
        pytest.param({"exp": None}, "exp", id="without an end"),
        pytest.param({"nbf": 32503680000}, "not yet valid", id="not valid yet"),
        pytest.param({"aud": "another"}, "Audience", id="of another audience"),
        pytest.param({"iss": "http://another"}, "issuer", id="of another issuer"),
        pytest.param({"sub": None}, "sub", id="without a subject"),
        pytest.param({"groups": ["strangers"]}, "no group", id="of a group without a scope"),
        pytest.param({"groups": None}, "no group", id="without groups"),
    ],
)
def test_a_token_that_does_not_fit_is_refused(
    server: Server, issuer: Issuer, changes: dict[str, Json], why: str
) -> None:
    token = issuer.token(**changes)
    status, found = access_of(server, token)
    assert status == 401
    assert why.lower() in found["detail"].lower()
    assert token not in str(found)


def test_a_forged_token_is_refused(server: Server, issuer: Issuer) -> None:
    other = Issuer(issuer.url, documents={"/keys": {"keys": []}})
    other.add_key("one", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    assert access_of(server, other.token())[0] == 401


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_a_shared_secret_or_no_signature_is_refused(
    server: Server, issuer: Issuer, algorithm: str
) -> None:
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ada", "exp": time.time() + 600}
    secret = "x" * 40 if algorithm == "HS256" else ""
    token = jwt.encode(claims, secret, algorithm, headers={"kid": "one"})
    assert access_of(server, token)[0] == 401


def test_invented_key_ids_do_not_make_the_api_ask_the_issuer_each_time(
    server: Server, issuer: Issuer, rsa_key: rsa.RSAPrivateKey
) -> None:
    for number in range(20):
        token = jwt.encode({"sub": "x"}, rsa_key, "RS256", headers={"kid": f"made-up-{number}"})
        assert access_of(server, token)[0] == 401
    assert len(issuer.requests) <= 4


def test_an_issuer_that_is_down_is_told_as_such(server: Server, issuer: Issuer) -> None:
    issuer.documents["/realm/.well-known/openid-configuration"] = None
    status, found = access_of(server, issuer.token())
    assert (status, found["type"]) == (503, "urn:celeriac:problem:unavailable")


def test_api_keys_go_on_beside_the_issuer(server: Server) -> None:
    assert access_of(server, "celeriac_0123456789ab_" + "a" * 43)[0] == 401
