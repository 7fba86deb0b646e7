"""The whole UMA grant with Python's standard library alone: a resource server and a client that know the issuers of
their authorization servers, their own registrations there, and the specifications. Every address comes from
published metadata or from a challenge.

    uma_grant.py WORLD      the file in which countersign-interop-tests says where everybody is
"""

import base64
import hashlib
import html.parser
import http.client
import http.server
import json
import pathlib
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse

HOST = "python.services.example"
OWN = f"https://{HOST}"
PERSON = "alice@alice.example"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
UMA_TICKET = "urn:ietf:params:oauth:grant-type:uma-ticket"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ISSUER_REL = "http://openid.net/specs/connect/1.0/issuer"

world = json.loads(pathlib.Path(sys.argv[1]).read_text())
places = dict(entry.split("=") for entry in world["connect_to"])
roots = ssl.create_default_context(cafile=world["roots"])


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


def send(method, url, bearer=None, client=None, form=None, document=None):
    """Status, headers, and the document that came, if one did."""
    parts = urllib.parse.urlsplit(url)
    connection = Connection(parts.hostname, parts.port or 443)
    headers, body = {}, None
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urllib.parse.urlencode(form)
    if document is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(document)
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    if client is not None:
        pair = f"{client}:{world['secrets'][client]}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, path or "/", body, headers)
    response = connection.getresponse()
    octets = response.read()
    return response.status, response.headers, json.loads(octets) if octets else None


def published(issuer, name):
    status, _, document = send("GET", f"{issuer}/.well-known/{name}")
    check(f"{issuer} publishes {name}", status == 200 and document["issuer"] == issuer, document)
    return document


class ResourceServer:
    """Registers its resources and protects them. [UMA 2.0 Federated Authorization]"""

    CLIENT = "python-rs"
    NEEDED = {"GET": "read", "POST": "write"}

    def __init__(self, issuer):
        self.metadata = published(issuer, "uma2-configuration")
        self.ids, self.policy_pages = {}, {}
        status, _, answer = send("POST", self.metadata["token_endpoint"], client=self.CLIENT, form={
            "grant_type": "client_credentials", "scope": "uma_protection"})
        check("a PAT by client credentials (UF §1.3)",
              status == 200 and answer["token_type"] == "Bearer", answer)
        self.pat = answer["access_token"]

    def api(self, method, endpoint, document=None, below=""):
        url = self.metadata[endpoint].rstrip("/") + below if below else self.metadata[endpoint]
        return send(method, url, bearer=self.pat, document=document)

    def register(self, path, name, scopes):
        resource = {"name": name, "resource_scopes": scopes, "type": f"{OWN}/types/text"}
        status, headers, answer = self.api("POST", "resource_registration_endpoint", resource)
        check(f"{name} is registered (UF §3.2.1)",
              status == 201 and headers["Location"] and answer["_id"], (status, answer))
        self.ids[path], self.policy_pages[path] = answer["_id"], answer["user_access_policy_uri"]
        status, _, answer = send("GET", urllib.parse.urljoin(
            self.metadata["resource_registration_endpoint"], headers["Location"]), bearer=self.pat)
        check("  and can be read where its Location says (UF §3.2.2)",
              status == 200 and answer["name"] == name and sorted(answer["resource_scopes"]) == sorted(scopes), answer)

    def ticket(self, path, scope):
        wanted = {"resource_id": self.ids[path], "resource_scopes": [scope]}
        status, _, answer = self.api("POST", "permission_endpoint", wanted)
        if status != 201:
            raise RuntimeError(f"no ticket: {status} {answer}")
        return answer["ticket"]

    def introspected(self, token):
        _, _, answer = send("POST", self.metadata["introspection_endpoint"], bearer=self.pat, form={
            "token": token, "token_type_hint": "requesting_party_token"})
        return answer

    def permits(self, token, path, scope):
        """UF §5.1.1: by the permissions of a token that is active."""
        answer = self.introspected(token)
        return answer["active"] and any(
            it["resource_id"] == self.ids[path] and scope in it["resource_scopes"]
            for it in answer["permissions"])

    def serve(self):
        """On a port of its own, over TLS."""
        this = self

        class Pages(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                scope, token = this.NEEDED[self.command], None
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if (given := self.headers.get("Authorization") or "").startswith("Bearer "):
                    token = given.removeprefix("Bearer ")
                if token and this.permits(token, self.path, scope):
                    return self.say(200 if scope == "read" else 201, {"is": f"what is at {self.path}"})
                # UG §3.2.1
                ticket = this.ticket(self.path, scope)
                challenge = f'UMA realm="python", as_uri="{this.metadata["issuer"]}", ticket="{ticket}"'
                return self.say(401, {"error": "unauthorized"}, ("WWW-Authenticate", challenge))

            do_POST = do_GET

            def say(self, status, document, *headers):
                body = json.dumps(document).encode()
                self.send_response(status)
                for header in [*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]:
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        place = world["places"][HOST]
        server = http.server.ThreadingHTTPServer(("127.0.0.1", place["port"]), Pages)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(place["certificate"], place["key"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Client:
    """Alice's application. [UMA 2.0 Grant, and the profile of the ticket challenge]"""

    CLIENT = "rqp-client"

    def __init__(self):
        """Finds her provider, which has the security token service, by her address."""
        domain, account = PERSON.split("@")[1], urllib.parse.quote(f"acct:{PERSON}", safe="")
        _, _, found = send("GET", f"https://{domain}/.well-known/webfinger?resource={account}"
                                  f"&rel={urllib.parse.quote(ISSUER_REL, safe='')}")
        issuers = [link["href"] for link in found["links"] if link["rel"] == ISSUER_REL]
        check("WebFinger names her provider", len(issuers) == 1, found)
        self.provider = published(issuers[0], "openid-configuration")
        check("  which exchanges tokens, by S256",
              EXCHANGE in self.provider["grant_types_supported"]
              and "S256" in self.provider["ticket_challenge_methods_supported"], self.provider)

    def challenged(self, method, path, token=None):
        status, headers, _ = send(method, f"{OWN}{path}", bearer=token)
        given = headers["WWW-Authenticate"] or ""
        check(f"{method} {path}: 401 and a challenge of UMA", status == 401 and given.startswith("UMA "),
              (status, given))
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', given))
        self.server = published(challenge["as_uri"], "uma2-configuration")
        check("  whose server has the grant", UMA_TICKET in self.server["grant_types_supported"], self.server)
        return challenge["ticket"]

    def claims_token(self, ticket):
        digest = hashlib.sha256(ticket.encode()).digest()
        status, _, answer = send("POST", self.provider["token_endpoint"], client=self.CLIENT, form={
            "grant_type": EXCHANGE, "subject_token": world["subject_token"], "subject_token_type": ACCESS_TOKEN,
            "requested_token_type": JWT, "audience": self.server["issuer"], "resource": OWN,
            "ticket_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()})
        check("  a claims token for this ticket", status == 200 and answer["issued_token_type"] == JWT, answer)
        return answer["access_token"]

    def asks(self, ticket, **more):
        form = {"grant_type": UMA_TICKET, "ticket": ticket, "resource": OWN} | more
        status, headers, answer = send("POST", self.server["token_endpoint"], client=self.CLIENT, form=form)
        check("  the answer is not to be stored", headers["Cache-Control"] == "no-store", headers["Cache-Control"])
        return status, answer

    def pushes(self, ticket):
        return self.asks(ticket, claim_token=self.claims_token(ticket), claim_token_format=JWT)


class Page(html.parser.HTMLParser):
    """The forms of a page that are sent by POST: where to, what is in them, and their buttons. Its links by their text."""

    def __init__(self, text):
        super().__init__()
        self.text, self.forms, self.links, self.link = text, [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        at = dict(attributes)
        if tag == "a":
            self.link = (at.get("href"), "")
        if tag == "form" and at.get("method") == "post":
            self.forms.append((at.get("action", ""), [], []))
        if self.forms and tag == "input" and at.get("name"):
            if at.get("type") != "checkbox" or "checked" in at:
                self.forms[-1][1].append((at["name"], at.get("value") or ""))
        if self.forms and tag == "button" and at.get("name"):
            self.forms[-1][2].append((at["name"], at.get("value") or ""))

    def handle_data(self, data):
        if self.link:
            self.link = (self.link[0], self.link[1] + data)

    def handle_endtag(self, tag):
        if tag == "a" and self.link:
            self.links[self.link[1].strip()] = self.link[0]
            self.link = None


class Owner:
    """Bob before a browser without a window: he follows redirects, keeps cookies, and fills forms."""

    def __init__(self):
        self.cookies = {}

    def visit(self, url, form=None):
        origin = None
        for _ in range(20):
            parts = urllib.parse.urlsplit(url)
            kept = self.cookies.setdefault(parts.hostname, {})
            headers, body = {"Accept": "text/html", "Cookie": "; ".join(f"{it}={kept[it]}" for it in kept)}, None
            if form is not None:
                origin = f"{parts.scheme}://{parts.netloc}"
                headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin}
                body = urllib.parse.urlencode(form)
            connection = Connection(parts.hostname, parts.port or 443)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request("GET" if form is None else "POST", target, body, headers)
            response = connection.getresponse()
            page = Page(response.read().decode())
            for line in response.headers.get_all("Set-Cookie") or []:
                name, _, value = line.split(";")[0].partition("=")
                kept[name] = value
            onward = response.headers["Location"]
            if not onward:
                return url, page
            url, form = urllib.parse.urljoin(url, onward), None
        sys.exit(f"{url} leads in circles")

    def follows(self, at, page, words):
        """The first link whose text has these words."""
        found = [link for text, link in page.links.items() if words in text]
        return self.visit(urllib.parse.urljoin(at, found[0])) if found else sys.exit(f"no {words!r} at {at}: {page.text}")

    def submits(self, at, page, button=None, **fields):
        """The form with this button, or else the first one that has these fields."""
        for action, inputs, buttons in page.forms:
            if button in buttons if button else fields.keys() <= dict(inputs).keys():
                filled = [it for it in inputs if it[0] not in fields] + list(fields.items())
                filled += [button] if button else buttons[:1]
                return self.visit(urllib.parse.urljoin(at, action or at), filled)
        sys.exit(f"no such form at {at}: {page.text}")

    def decides(self, policy_page, verdict):
        """About what a person asks for, beginning where the resource server was told that the owner may (UF §3.2.1)."""
        at, page = self.follows(*self.visit(policy_page), "Sign in with")
        at, page = self.submits(at, page, username="bob", password=world["password"])
        check("the owner signs in and is on the page of the resource", at == policy_page and "Diary" in page.text, at)
        at, page = self.follows(*self.follows(at, page, "Requests"), "decide")
        check("  sees who asks, and who vouches for them", PERSON in page.text and world["sts"] in page.text, page.text)
        return self.submits(at, page, ("verdict", verdict))


def is_error(answer, status, code):
    return answer[0] == status and answer[1]["error"] == code


server = ResourceServer(world["owners_server"])
server.register("/letters", "Letters", ["read", "write"])
server.register("/diary", "Diary", ["read"])
_, _, listed = server.api("GET", "resource_registration_endpoint")
check("both are in the list (UF §3.2.5)", sorted(listed) == sorted(server.ids.values()), listed)
server.serve()
client = Client()

first = client.challenged("GET", "/letters")
answer = client.asks(first)
check("without claims: need_info, what is needed, and another ticket (UG §3.3.6)",
      is_error(answer, 403, "need_info") and answer[1]["ticket"] != first
      and any(it["name"] == "email" and JWT in it["claim_token_format"] for it in answer[1]["required_claims"]), answer)
spent = client.asks(first)
check("  the first one is spent", is_error(spent, 400, "invalid_grant") and "ticket" not in spent[1], spent)
granted = client.pushes(answer[1]["ticket"])
check("with a claims token for the other: an RPT, without a top-level scope (UG §3.3.5)",
      granted[0] == 200 and granted[1]["token_type"] == "Bearer" and "scope" not in granted[1], granted)
rpt = granted[1]["access_token"]
told = server.introspected(rpt)
check("its introspection has the permission, and no top-level scope (UF §5.1.1)",
      told["active"] and "scope" not in told and told["permissions"][0]["resource_id"] == server.ids["/letters"]
      and told["permissions"][0]["resource_scopes"] == ["read"], told)
status, _, body = send("GET", f"{OWN}/letters", bearer=rpt)
check("it opens the letters", status == 200 and body == {"is": "what is at /letters"}, (status, body))

denied = client.pushes(client.challenged("POST", "/letters", rpt))
check("writing is not permitted by the owner's policy: request_denied, and no ticket (UG §3.3.6)",
      is_error(denied, 403, "request_denied") and "ticket" not in denied[1], denied)

waiting = client.pushes(client.challenged("GET", "/diary"))
check("for the diary the owner is asked: request_submitted, with a ticket and an interval",
      is_error(waiting, 403, "request_submitted") and waiting[1]["interval"] > 0 and waiting[1]["ticket"], waiting)
early = client.asks(waiting[1]["ticket"])
check("who comes too early waits longer, with another ticket",
      is_error(early, 403, "request_submitted") and early[1]["interval"] > waiting[1]["interval"]
      and early[1]["ticket"] != waiting[1]["ticket"], early)
owner = Owner()
at, page = owner.decides(server.policy_pages["/diary"], "approve")
time.sleep(early[1]["interval"])
fresh = client.asks(early[1]["ticket"])
check("once the owner allows it, a fresh claims token is asked for", is_error(fresh, 403, "need_info"), fresh)
granted = client.pushes(fresh[1]["ticket"])
check("  which gives an RPT", granted[0] == 200, granted)
status, _, body = send("GET", f"{OWN}/diary", bearer=granted[1]["access_token"])
check("  that opens the diary", status == 200 and body == {"is": "what is at /diary"}, (status, body))
owner.submits(at, page, ("verdict", "revoke"))
status, headers, _ = send("GET", f"{OWN}/diary", bearer=granted[1]["access_token"])
check("  until the owner takes everything back", status == 401 and headers["WWW-Authenticate"].startswith("UMA "), status)

# The owner deletes the letters.
status, _, _ = server.api("DELETE", "resource_registration_endpoint", below=f"/{server.ids['/letters']}")
check("a resource is deleted (UF §3.2.4)", status == 204, status)
told = server.introspected(rpt)
check("  and its RPT is worth nothing from then on", told == {"active": False}, told)
