"""Drives the owner's console in headless Chromium: a request waits, Bob is told of it, lets it in, and takes it back.

    console.py prepare FOLDER            gives Bob a provider of his own and a console, and has him be asked;
                                         FOLDER is what `countersign demo --write FOLDER` made
    console.py FOLDER PICTURES PROGRAM   the same folder, where pictures go, and the program `countersign`
"""

import http.client
import json
import os
import pathlib
import re
import secrets
import socket
import ssl
import subprocess
import sys
import time
import tomllib
import urllib.parse

import jwt
from joserfc.jwk import ECKey

from owners_forms import BACK, asked_by_a_resource_server, shares
from receiver import EVENT, MEDIA_TYPE, Receiver
from webdriver import ENTER, SPACE, TAB, browser, check, eventually

CONSOLE = "https://uma.bob.example/console"
RESOURCE = "https://rs.bob.example/rs-api"
ISSUER = "https://uma.bob.example"
HOOK = "https://hooks.bob.example/uma"
BOB = "bob@bob.example"

PROVIDER = """# Bob's provider.
issuer = "https://idp.bob.example"
name = "bob.example"
email_domains = ["bob.example"]
listen = "127.0.0.1:{port}"

[tls]
certificate = "idp.bob.example.pem"
key = "idp.bob.example.key.pem"

[store]
path = "idp.db"

[keys]
directory = "idp-keys"

[[users]]
username = "bob"
subject = "b0b"
email = "bob@bob.example"
email_verified = true
{password}

[[clients]]
id = "console"
name = "Bob's console"
secret = {{ file = "console.secret" }}
redirect_uris = ["https://uma.bob.example/console/callback"]
post_logout_redirect_uris = ["https://uma.bob.example/console/signed-out"]
grants = ["authorization_code"]
scopes = ["openid", "email"]
"""

ASKING = """
[console]
name = "Bob's desk"
issuer = "https://idp.bob.example"
provider_name = "bob.example"
client_id = "console"
client_secret = { file = "console.secret" }

[[owners]]
id = "bob"
issuer = "https://idp.bob.example"
email = "bob@bob.example"

[[webhooks]]
url = "https://hooks.bob.example/uma"
owners = ["bob"]
requesting_party = true

[keys]
signing = { file = "uma-server.jwk" }
"""


def certify(folder, host):
    """A certificate of its own for a host, which everybody trusts."""
    key, certificate = folder / f"{host}.key.pem", folder / f"{host}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
         "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    key.chmod(0o600)
    with (folder / "ca.pem").open("a") as roots:
        roots.write(certificate.read_text())


def prepare(folder):
    uma, sts = (folder / "uma-server.toml", (folder / "sts.toml").read_text())
    ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", sts + uma.read_text())]
    port = max(ports) + 1
    secret = folder / "console.secret"
    secret.write_text(secrets.token_urlsafe(32))
    secret.chmod(0o600)
    password = re.search(r"^password = .*$", sts, re.MULTILINE)[0]
    (folder / "idp.toml").write_text(PROVIDER.format(port=port, password=password))
    certify(folder, "idp.bob.example")
    certify(folder, "hooks.bob.example")
    signing = folder / "uma-server.jwk"
    key = ECKey.generate_key("P-256", {"kid": "hooks-1", "alg": "ES256", "use": "sig"})
    signing.write_text(json.dumps(key.as_dict(private=True)))
    signing.chmod(0o600)
    text = uma.read_text().replace('scopes = ["get"]\n', 'scopes = ["get"]\nask = true\n', 1)
    text = text.replace('\nowner = "bob"\n', f'\nowner = "bob"\nredirect_uris = ["{BACK}"]\n', 1)
    text = text.replace("connect_to = [\n", f'connect_to = [\n    "idp.bob.example:443=127.0.0.1:{port}",\n'
                        f'    "hooks.bob.example:443=127.0.0.1:{port + 1}",\n')
    uma.write_text(text.replace("\n[danger]", ASKING + "\n[danger]"))


class Web:
    """Public documents and pushes, where the map leads; TLS still checks the name."""

    def __init__(self, folder, places):
        self.places, self.roots = places, ssl.create_default_context(cafile=folder / "ca.pem")

    def send(self, method, url, body=None, headers=None):
        parts = urllib.parse.urlsplit(url)
        host, port = self.places[f"{parts.hostname}:443"].split(":")
        connection = http.client.HTTPSConnection(parts.hostname, context=self.roots)
        plain = socket.create_connection((host, int(port)), timeout=20)
        connection.sock = self.roots.wrap_socket(plain, server_hostname=parts.hostname)
        connection.request(method, parts.path, body, headers or {})
        response = connection.getresponse()
        octets = response.read()
        return response.status, json.loads(octets) if octets else None

    def document(self, url):
        status, document = self.send("GET", url)
        assert status == 200, (url, status)
        return document


def pushes_of_others(web, receiver, folder):
    """What the endpoint says to tokens that are none for it: the codes of RFC 8935 §2.4."""
    good = jwt.PyJWK(json.loads((folder / "uma-server.jwk").read_text()))
    own = jwt.PyJWK(ECKey.generate_key("P-256", {"kid": "hooks-1", "alg": "ES256"}).as_dict(private=True))
    claims = {"iss": ISSUER, "aud": HOOK, "iat": int(time.time()), "jti": "forged", "events": {EVENT: {}}}
    header = {"kid": "hooks-1", "typ": "secevent+jwt"}
    for name, key, changed, kind, err in [
            ("another's signature", own, {}, {}, "invalid_key"),
            ("a key that is not published", own, {}, {"kid": "hooks-2"}, "invalid_key"),
            ("another issuer", good, {"iss": "https://uma.eve.example"}, {}, "invalid_issuer"),
            ("another audience", good, {"aud": "https://hooks.eve.example"}, {}, "invalid_audience"),
            ("another type", good, {}, {"typ": "JWT"}, "invalid_request"),
            ("another event", good, {"events": {"https://eve.example/event": {}}}, {}, "invalid_request"),
            ("a moment to come", good, {"iat": int(time.time()) + 900}, {}, "access_denied"),
    ]:
        token = jwt.encode(claims | changed, key.key, algorithm="ES256", headers=header | kind)
        status, answer = web.send("POST", HOOK, token, {"Content-Type": MEDIA_TYPE})
        check(f"{name} is 400 {err}", status == 400 and answer["err"] == err, (status, answer))
    check("and nothing was told", not receiver.told, receiver.told)
    receiver.came.clear()


class Alice:
    """Her application, on the command line."""

    def __init__(self, folder, program):
        self.program = program
        self.environment = os.environ | {
            "COUNTERSIGN_CONFIG": str(folder / "client.toml"), "COUNTERSIGN_SESSION": str(folder / "session.json")}
        signed_in = self.start("login", "https://sts.alice.example", "--headless", "--username", "alice",
                               "--password-file", str(folder / "alice.password")).wait(60)
        check("Alice signs in at her own provider", signed_in == 0, signed_in)

    def start(self, *arguments):
        return subprocess.Popen([self.program, *arguments], env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def asks(self):
        return self.start("request", RESOURCE)

    def asks_and_waits_not(self):
        asking = self.start("request", "--wait", "0", RESOURCE)
        said = asking.communicate(timeout=60)
        return asking.returncode, said


def gets_in(asking):
    said = asking.communicate(timeout=60)
    return asking.returncode == 0 and "Bob's data" in said[0], said


def sign_in(page, password):
    page.click("#sign-in")
    page.type("input[name=username]", "bob")
    page.type("input[name=password]", password)
    page.click("button[value=allow]")


def is_told(receiver):
    """Bob's endpoint does not know the key at first; it is told again, of the same."""
    check("Bob's endpoint is told that a request waits", eventually(lambda: receiver.came), receiver.came)
    check("it does not know the key yet, and says so", receiver.came[0][0] == 400, receiver.came)
    receiver.unknown.clear()
    check("it is told again under the same jti",
          eventually(lambda: len(receiver.came) > 1) and receiver.came[1] == (202, receiver.came[0][1]), receiver.came)
    told = receiver.told[receiver.came[1][1]]
    party, [asked] = told["requesting_party"], told["permissions"]
    check("of whom, by whose word, and for what",
          (party["email"], party["iss"]) == ("alice@alice.example", "https://sts.alice.example")
          and (told["owner"], asked["name"], asked["resource_scopes"]) == ("bob", "RS API", ["get"]), told)
    return told["page"]


def on_a_desk(page, alice, receiver, password):
    page.visit(CONSOLE)
    shown = page.text("main")
    check("nobody sees anything before they sign in", "Sign in with bob.example" in shown, shown)
    page.picture("console-sign-in.png")
    asking = alice.asks()
    sign_in(page, password)
    shown = eventually(lambda: (text := page.text("main")) and "Requests" in text and text)
    check("Bob comes back from his provider to what waits", shown, page.text())

    def waits():
        page.visit(CONSOLE)
        return "alice@alice.example" in page.text("main")
    check("Alice's request waits", eventually(waits), page.text())
    weight = page.run("return getComputedStyle(document.querySelector('a.decide')).fontWeight")
    check("the style sheet is applied under the content security policy", int(weight) >= 600, weight)
    shown = page.text("main")
    check("the list says who vouches for her, how that was found, and what she asks for",
          all(words in shown for words in ("https://sts.alice.example vouches", "names this provider", "RS API")), shown)
    page.picture("console-requests.png")
    page.is_well_made("the list of requests")
    page.click("a.decide")
    shown = eventually(lambda: (text := page.text("main")) and "waits for you" in text and text)
    check("her page says who vouches for her, how that was found, and that she was there herself",
          shown and all(words in shown for words in
                        ("https://sts.alice.example vouches", "alice.example, the domain of the address, names this provider", "In person", "RS API")), shown)
    page.picture("console-person.png", whole=True)
    page.is_well_made("her page")
    person = page.url()
    named = is_told(receiver)
    check("and on which page he decides", named == person, (named, person))
    page.click("#approve-1")
    check("Bob allows it", eventually(lambda: f"Allowed by {BOB}" in page.text("main")), page.text())
    check("  and is told so", page.text("#done[role=status]") == "You allowed that.", page.text())
    is_in, said = gets_in(asking)
    check("Alice's waiting application gets in", is_in, said)

    page.click("#tab-people")
    shown = eventually(lambda: (text := page.text("main")) and "allowed by" in text and text)
    check("he sees who has what, and why", shown and BOB in shown, page.text())
    page.picture("console-people.png")
    page.is_well_made("who has what")
    page.click("#tab-resources")
    page.click("a.resource")
    shown = eventually(lambda: (text := page.text("main")) and "Who reaches it" in text and text)
    check("and who reaches what", shown and "alice@alice.example" in shown, page.text())
    page.picture("console-resource.png", whole=True)
    page.is_well_made("a resource")
    shares(page)

    page.visit(person)
    page.picture("console-allowed.png", whole=True)
    page.click("#take-back summary")
    page.picture("console-take-back.png", whole=True)
    page.click("#revoke-all")
    check("Bob takes everything back",
          eventually(lambda: f"Everything taken back by {BOB}" in page.text("main")), page.text())
    code, said = alice.asks_and_waits_not()
    check("and Alice is out", code not in (0, 7), (code, said))
    page.click("#tab-history")
    shown = eventually(lambda: (text := page.text("main")) and "Everything taken back" in text and text)
    check("every decision is there", shown and f"Allowed by {BOB}" in shown and "Asked" in shown, page.text())
    page.picture("console-history.png", whole=True)
    page.is_well_made("every decision")
    return person


def on_a_phone(page, alice, person, password):
    page.visit(person)
    page.fits("a person's page", "console-person-phone.png")
    # Where he shares, whoever everything was taken back from is kept out until he takes that back, too.
    if page.run("return document.querySelector('.unshare button') !== null"):
        page.click(".unshare button")
        page.find("#revoke-all")
    page.click("#reopen-1")
    said = eventually(lambda: (text := page.text("#scope-1-wrong")) and text)
    check("a decision about nothing is none, and he is told where", said == "Tick at least one thing.", page.text())
    page.click("input[name=scope]")
    page.click("#reopen-1")
    check("Bob wants to be asked again", eventually(lambda: f"{BOB} wants to be asked again" in page.text("main")),
          page.text())
    asking = alice.asks()

    def waits():
        page.visit(CONSOLE)
        return "Look and decide" in page.text("main")
    check("Alice asks again", eventually(waits), page.text())
    page.fits("what waits", "console-requests-phone.png")
    for tab in ("people", "resources", "history"):
        page.click(f"#tab-{tab}")
        page.find(f"#tab-{tab}[aria-current]")
        page.fits(tab, f"console-{tab}-phone.png")
    asked_by_a_resource_server(page)
    page.visit(CONSOLE)
    page.click("#sign-out button")
    check("he signs out here and at his provider, and comes back",
          eventually(lambda: "sent you back" in page.text("main")), page.text())
    page.fits("signed out", "console-signed-out-phone.png")
    page.visit(person)
    page.find("#sign-in")
    page.fits("signing in", "console-sign-in-phone.png")
    # His provider asks him again, since he is signed in nowhere.
    sign_in(page, password)
    check("signing in leads back to where one was",
          eventually(lambda: page.url() == person and page.find("#approve-1")), page.url())

    # From here on, nothing is clicked.
    page.find("#approve-1")
    for _ in range(12):
        page.keys(TAB)
        at, line = page.focus()
        if at == "verdict=approve":
            break
    check("Tabs lead to the button that allows, and one sees it", at == "verdict=approve" and line >= 2, (at, line))
    page.keys(ENTER)
    check("Enter allows it", eventually(lambda: f"Allowed by {BOB}" in page.text("main").split("Everything")[0]),
          page.text())
    is_in, said = gets_in(asking)
    check("and Alice is in again", is_in, said)
    for _ in range(20):
        page.keys(TAB)
        if page.run("return document.activeElement.localName") == "summary":
            break
    page.keys(SPACE)
    check("what takes everything back opens by the space bar, and waits to be said once more",
          eventually(lambda: page.run("return document.getElementById('revoke-all').checkVisibility()")), page.text())
    page.language("de")
    page.visit(CONSOLE)
    shown = page.text("main")
    check("whoever speaks German reads German", "Niemand wartet auf Ihre Antwort." in shown, shown)
    page.visit(person)
    page.fits("a person's page in German", "console-person-phone-de.png")


def main():
    if sys.argv[1] == "prepare":
        return prepare(pathlib.Path(sys.argv[2]))
    folder = pathlib.Path(sys.argv[1])
    connect_to = tomllib.loads((folder / "uma-server.toml").read_text())["danger"]["connect_to"]
    rules = ",".join("MAP " + entry.replace("=", " ") for entry in connect_to)
    password = (folder / "alice.password").read_text().strip()
    places = dict(entry.split("=") for entry in connect_to)
    web = Web(folder, places)
    certificate, key = folder / "hooks.bob.example.pem", folder / "hooks.bob.example.key.pem"
    port = int(places["hooks.bob.example:443"].split(":")[1])
    receiver = Receiver(ISSUER, HOOK, web.document, certificate, key, port)
    pushes_of_others(web, receiver, folder)
    receiver.unknown.add("hooks-1")
    alice = Alice(folder, sys.argv[3])
    with browser(rules, sys.argv[2]) as page:
        page.size(1280, 900)
        person = on_a_desk(page, alice, receiver, password)
        with page.phone():
            on_a_phone(page, alice, person, password)
    check("each request was told once it arrived, and no more often",
          eventually(lambda: len(receiver.told) == 2) and [status for status, _ in receiver.came] == [400, 202, 202], receiver.came)


main()
