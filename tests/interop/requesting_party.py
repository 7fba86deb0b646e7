"""A requesting party's client that shares no line with the project.

It does flow 002 against the three servers with Python's standard library and joserfc, knowing
nothing but the URL of the resource, the provider's issuer and its own registration: every other
address comes from a challenge or from published metadata. Then it tries what has to be refused.

    requesting_party.py FOLDER      the folder that `countersign demo --write FOLDER` made
"""

import base64
import hashlib
import html.parser
import http.client
import json
import pathlib
import re
import secrets
import socket
import ssl
import sys
import tomllib
import urllib.parse

from joserfc import jwt
from joserfc.jwk import KeySet

RESOURCE = "https://rs.bob.example/rs-api"
PROVIDER = "https://sts.alice.example"
CLIENT = "rqp-client"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

folder = pathlib.Path(sys.argv[1])
config = tomllib.loads((folder / "client.toml").read_text())
places = dict(entry.split("=") for entry in config["danger"]["connect_to"])
tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))


def secret(name):
    return (folder / name).read_text().strip()


def b64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Connection(http.client.HTTPSConnection):
    """Goes where the test bed's map says; TLS still checks the name."""

    def connect(self):
        host, port = places[f"{self.host}:{self.port}"].split(":")
        plain = socket.create_connection((host, int(port)), timeout=20)
        self.sock = tls.wrap_socket(plain, server_hostname=self.host)


def send(method, url, form=None, headers=None):
    parts = urllib.parse.urlsplit(url)
    connection = Connection(parts.hostname, parts.port or 443)
    headers = dict(headers or {})
    body = None
    if form is not None:
        body = urllib.parse.urlencode(form)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.headers, response.read()


def post(url, form, name, expected=200):
    basic = base64.b64encode(f"{CLIENT}:{secret(name)}".encode()).decode()
    status, headers, body = send("POST", url, form, {"Authorization": f"Basic {basic}"})
    check(f"POST {url} answers {expected}", status == expected, (status, body))
    check("  and is not to be stored", headers["Cache-Control"] == "no-store", headers)
    return json.loads(body)


def metadata(issuer, name):
    status, _, body = send("GET", f"{issuer}/.well-known/{name}")
    document = json.loads(body)
    check(f"{name} is about {issuer}", status == 200 and document["issuer"] == issuer, document)
    return document


def check(what, holds, found):
    print(("ok  " if holds else "NO  ") + what)
    if not holds:
        sys.exit(f"found {found!r}")


class Form(html.parser.HTMLParser):
    """The fields of the page's form, and where it is sent."""

    def __init__(self):
        super().__init__()
        self.action, self.fields, self.button = None, {}, False

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.action = attributes.get("action", "")
        first_button = tag == "button" and not self.button
        self.button |= tag == "button"
        if attributes.get("name") and (tag == "input" or first_button):
            self.fields[attributes["name"]] = attributes.get("value", "")


def sign_in(provider, keys):
    verifier, state, nonce = (secrets.token_urlsafe(48) for _ in range(3))
    redirect_uri = "http://127.0.0.1:50001/callback"
    query = urllib.parse.urlencode({
        "response_type": "code", "client_id": CLIENT, "redirect_uri": redirect_uri,
        "scope": "openid email claims-provider", "state": state, "nonce": nonce,
        "code_challenge": b64url(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    })
    page_url = f"{provider['authorization_endpoint']}?{query}"
    _, headers, page = send("GET", page_url)
    form = Form()
    form.feed(page.decode())
    form.fields |= {"username": "alice", "password": secret("alice.password")}
    cookie = headers["Set-Cookie"].split(";")[0]
    action = urllib.parse.urljoin(page_url, form.action)
    status, headers, _ = send("POST", action, form.fields, {"Cookie": cookie, "Origin": PROVIDER})
    location = urllib.parse.urlsplit(headers["Location"] or "")
    answer = dict(urllib.parse.parse_qsl(location.query))
    check("signing in ends in a 303 with state and iss (RFC 9207)",
          status == 303 and answer.get("state") == state and answer.get("iss") == PROVIDER, answer)
    tokens = post(provider["token_endpoint"], {
        "grant_type": "authorization_code", "code": answer["code"],
        "redirect_uri": redirect_uri, "code_verifier": verifier,
    }, "client-at-sts.secret")
    id_token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
    check("joserfc verifies the ID token", id_token.claims["nonce"] == nonce, id_token.claims)
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    check("at_hash is that of the access token", id_token.claims["at_hash"] == b64url(half),
          id_token.claims)
    return tokens["access_token"]


def ticket():
    status, headers, _ = send("GET", RESOURCE)
    challenge = headers["WWW-Authenticate"]
    check("the resource server challenges with UMA",
          status == 401 and challenge.startswith("UMA "), challenge)
    return dict(re.findall(r'(\w+)="([^"]*)"', challenge))


def exchange(provider, keys, access_token, challenge, resource):
    expected = b64url(hashlib.sha256(challenge["ticket"].encode()).digest())
    answer = post(provider["token_endpoint"], {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": access_token, "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": JWT, "audience": challenge["as_uri"], "resource": resource,
        "ticket_challenge": expected,
    }, "client-at-sts.secret")
    check("the answer is a JWT and no access token",
          answer["issued_token_type"] == JWT and answer["token_type"] == "N_A", answer)
    token = jwt.decode(answer["access_token"], keys, algorithms=["ES256"])
    check("joserfc verifies the claims token", token.header["typ"] == "uma-claims+jwt",
          token.header)
    check("it is bound to ticket, authorization server and resource server",
          token.claims["ticket_challenge"] == expected
          and token.claims["aud"] == challenge["as_uri"]
          and token.claims["resource"] == resource, token.claims)
    return answer["access_token"]


def main():
    provider = metadata(PROVIDER, "openid-configuration")
    keys = KeySet.import_key_set(json.loads(send("GET", provider["jwks_uri"])[2]))
    access_token = sign_in(provider, keys)

    first = ticket()
    server = metadata(first["as_uri"], "uma2-configuration")
    resource = "https://rs.bob.example"
    claims_token = exchange(provider, keys, access_token, first, resource)
    push = {
        "grant_type": "urn:ietf:params:oauth:grant-type:uma-ticket",
        "claim_token": claims_token, "claim_token_format": JWT, "resource": resource,
    }
    at_uma = "client-at-uma.secret"

    second = ticket()
    refused = post(server["token_endpoint"], push | {"ticket": second["ticket"]}, at_uma, 403)
    check("a claims token for another ticket: need_info and a fresh ticket",
          refused["error"] == "need_info" and refused["ticket"] != second["ticket"]
          and refused["required_claims"], refused)

    granted = post(server["token_endpoint"], push | {"ticket": first["ticket"]}, at_uma)
    check("an RPT, without a top-level scope", "scope" not in granted, granted)
    again = post(server["token_endpoint"], push | {"ticket": first["ticket"]}, at_uma, 400)
    check("the same ticket again: invalid_grant", again["error"] == "invalid_grant", again)

    rpt = {"Authorization": f"Bearer {granted['access_token']}"}
    status, _, body = send("GET", RESOURCE, headers=rpt)
    check("the RPT opens the resource", status == 200 and json.loads(body), (status, body))


main()
