"""A service that acts for a person at a relying party, with PyJWT and Python's standard library.

It publishes its client ID metadata document, gets an identity token with an actor token in each of
the two forms, verifies it by the provider's published keys, shows it with a client proof, and then
tries what has to be refused.

    service.py WORLD      the file in which countersign-interop-tests says where everybody is
"""

import base64
import hashlib
import http.client
import http.server
import json
import pathlib
import socket
import ssl
import sys
import threading
import time
import urllib.parse
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "python.services.example"
CLIENT = f"https://{HOST}/client"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

world = json.loads(pathlib.Path(sys.argv[1]).read_text())
places = dict(entry.split("=") for entry in world["connect_to"])
roots = ssl.create_default_context(cafile=world["roots"])
key = ec.generate_private_key(ec.SECP256R1())


def check(what, holds, found):
    print(("ok  " if holds else "NO  ") + what)
    if not holds:
        sys.exit(f"found {found!r}")


class Connection(http.client.HTTPSConnection):
    """Goes where the test bed's map says; TLS still checks the name."""

    def connect(self):
        host, port = places[f"{self.host}:{self.port}"].split(":")
        plain = socket.create_connection((host, int(port)), timeout=20)
        self.sock = roots.wrap_socket(plain, server_hostname=self.host)


def send(method, url, headers=None, form=None):
    parts = urllib.parse.urlsplit(url)
    connection = Connection(parts.hostname, parts.port or 443)
    headers = dict(headers or {})
    body = urllib.parse.urlencode(form) if form is not None else None
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection.request(method, parts.path or "/", body, headers)
    response = connection.getresponse()
    return response.status, response.headers, response.read()


class Document(http.server.BaseHTTPRequestHandler):
    """The client's own URL."""

    def do_GET(self):
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
        document = json.dumps({
            "client_id": CLIENT,
            "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"],
            "jwks": {"keys": [public | {"kid": "1", "alg": "ES256", "use": "sig"}]},
        }).encode()
        found = self.path == "/client"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(document) if found else 0))
        self.end_headers()
        self.wfile.write(document if found else b"")

    def log_message(self, *_):
        pass


def publish():
    place = world["places"][HOST]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", place["port"]), Document)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place["certificate"], place["key"])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def sign(typ, audience, **claims):
    now = int(time.time())
    common = {"iss": CLIENT, "sub": CLIENT, "aud": audience, "iat": now, "exp": now + 60,
              "jti": str(uuid.uuid4())}
    headers = {"kid": "1"} | ({"typ": typ} if typ else {"typ": None})
    return jwt.encode(common | claims, key, algorithm="ES256", headers=headers)


def exchange(endpoint, issuer, actor_token, assertion=None, **targets):
    return send("POST", endpoint, form={
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": JWT,
        "subject_token": world["subject_token"],
        "subject_token_type": ACCESS_TOKEN,
        "actor_token": actor_token,
        "actor_token_type": JWT,
        "client_assertion": assertion or sign("client-authentication+jwt", issuer),
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    } | targets)


def ath(token):
    digest = hashlib.sha256(token.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def show(token, proof, method="GET"):
    headers = {"Authorization": f"Bearer {token}"}
    if proof:
        headers["Client-Assertion"] = proof
    return send(method, f"{party}/letters", headers)


publish()
party = world["party"]
_, _, body = send("GET", f"{world['sts']}/.well-known/openid-configuration")
provider = json.loads(body)
issuer, endpoint = provider["issuer"], provider["token_endpoint"]
_, _, body = send("GET", provider["jwks_uri"])
published = jwt.PyJWKSet.from_dict(json.loads(body))

now = int(time.time())
forms = {
    "made out to the provider": (sign("actor+jwt", issuer, nbf=now), {"resource": party}),
    "made out to the relying party": (sign("actor+jwt", party, nbf=now), {}),
    "made out to the relying party, as drawn, without typ": (sign(None, party, nbf=now), {}),
}
for name, (actor_token, targets) in forms.items():
    status, headers, body = exchange(endpoint, issuer, actor_token, **targets)
    check(f"an identity token for an actor token {name}", status == 200, (status, body))
    answer = json.loads(body)
    check("  is a JWT, not to be stored, and of no token type",
          answer["issued_token_type"] == JWT and answer["token_type"] == "N_A"
          and headers["Cache-Control"] == "no-store", answer)
    token = answer["access_token"]
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, published[header["kid"]].key, algorithms=["ES256"], audience=party,
                        issuer=issuer, options={"require": ["exp", "nbf", "iat", "jti"]})
    check("  verified by PyJWT with the published keys",
          header["typ"] == "identity-propagation+jwt" and claims["sub"] == world["person"]
          and claims["act"]["sub"] == CLIENT and claims["client_id"] == CLIENT, claims)

proof = sign("client-proof+jwt", party, ath=ath(token))
status, _, body = show(token, proof)
said = f"{world['person']} through {CLIENT}".encode()
check("the relying party serves the person", status == 200 and body == said, (status, body))
status, headers, _ = show(token, sign("client-proof+jwt", party, ath=ath(token)), "POST")
check("and creates something for the person",
      status == 201 and headers["Location"] == "/letters/1", (status, headers.items()))

refused = {
    "the same proof again": proof,
    "no proof": None,
    "an actor token for a proof": sign("actor+jwt", party, nbf=now, ath=ath(token)),
    "a client assertion for a proof": sign("client-authentication+jwt", party, ath=ath(token)),
    "a proof without typ": sign(None, party, ath=ath(token)),
    "a proof for another token": sign("client-proof+jwt", party, ath=ath(token + "x")),
    "a proof without ath": sign("client-proof+jwt", party),
    "a proof for another party": sign("client-proof+jwt", issuer, ath=ath(token)),
}
for name, wrong in refused.items():
    status, headers, _ = show(token, wrong)
    challenge = headers["WWW-Authenticate"] or ""
    check(f"refused: {name}", status == 401 and 'error="invalid_token"' in challenge,
          (status, challenge))

actor_token = sign("actor+jwt", issuer, nbf=now)
assertion = sign("client-authentication+jwt", issuer)
status, _, body = exchange(endpoint, issuer, actor_token, assertion, resource=party)
check("an assertion is good once", status == 200, (status, body))
wrong = {
    "and not twice": (assertion, {"resource": party}, 401, "invalid_client"),
    "an assertion for the endpoint": (
        sign("client-authentication+jwt", endpoint), {"resource": party}, 401, "invalid_client"),
    "an actor token for an assertion": (
        sign("actor+jwt", issuer), {"resource": party}, 401, "invalid_client"),
    "a target that the client may not reach": (
        None, {"resource": "https://other.example"}, 400, "invalid_target"),
}
for name, (assertion, targets, expected, error) in wrong.items():
    fresh = sign("actor+jwt", issuer, nbf=now)
    status, _, body = exchange(endpoint, issuer, fresh, assertion, **targets)
    check(f"refused: {name}", (status, json.loads(body)["error"]) == (expected, error),
          (status, body))
