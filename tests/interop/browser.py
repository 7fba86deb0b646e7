"""Drives the provider's pages in headless Chromium, by WebDriver and Python's standard library.

    browser.py FOLDER PICTURES      the folder that `countersign demo --write FOLDER` made, and where pictures go
"""

import base64
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
DRIVER = "http://127.0.0.1:9515"

folder, pictures = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
config = tomllib.loads((folder / "client.toml").read_text())
rules = ",".join("MAP " + entry.replace("=", " ") for entry in config["danger"]["connect_to"])
password = (folder / "alice.password").read_text().strip()


def check(what, holds, found):
    print(("ok  " if holds else "NO  ") + what)
    if not holds:
        raise SystemExit(f"found {found!r}")


def driver(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(DRIVER + path, data, {"Content-Type": "application/json"},
                                     method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as refused:
        raise Refused(refused.read().decode(errors="replace")) from refused


class Refused(Exception):
    """The driver's own words: no such element, a page that went away, ..."""


def eventually(attempt, seconds=20):
    """What `attempt` gives as soon as it gives something true. A click returns before the page that
    it leads to is there, and the driver refuses whatever it is asked about a page that is going."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = attempt()
        except Refused as refused:
            found = None
            if time.monotonic() > deadline:
                raise refused
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


class Callback(http.server.BaseHTTPRequestHandler):
    """Where a native application waits for the answer."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *_):
        pass


class Page:
    def __init__(self, session):
        self.at = f"/session/{session}"

    def find(self, selector):
        using = {"using": "css selector", "value": selector}
        return eventually(lambda: driver("POST", f"{self.at}/element", using)[ELEMENT])

    def type(self, selector, text):
        driver("POST", f"{self.at}/element/{self.find(selector)}/value", {"text": text})

    def click(self, selector):
        driver("POST", f"{self.at}/element/{self.find(selector)}/click", {})

    def text(self, selector="body"):
        return eventually(
            lambda: driver("GET", f"{self.at}/element/{self.find(selector)}/text"))

    def url(self):
        return driver("GET", f"{self.at}/url")

    def picture(self, name):
        picture = driver("GET", f"{self.at}/screenshot")
        (pictures / name).write_bytes(base64.b64decode(picture))

    def visit(self, path):
        driver("POST", f"{self.at}/url", {"url": f"https://sts.alice.example{path}"})

    def open(self, port, **wishes):
        query = urllib.parse.urlencode({
            "response_type": "code", "client_id": "rqp-client",
            "redirect_uri": f"http://127.0.0.1:{port}/callback",
            "scope": "openid email claims-provider", "state": "xyz", "nonce": "n",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256", **wishes,
        })
        self.visit(f"/authorize?{query}")

    def answer(self):
        """The parameters that were brought to the application."""
        def brought():
            parts = urllib.parse.urlsplit(self.url())
            return parts.hostname == "127.0.0.1" and dict(urllib.parse.parse_qsl(parts.query))
        return eventually(brought) or {"url": self.url()}


def story(page, port):
    page.open(port)
    shown = page.text()
    check("the page names the client and what it asks for",
          "Alice's application" in shown and "claims-provider" in shown, shown)
    weight = driver("POST", f"{page.at}/execute/sync", {
        "script": "return getComputedStyle(document.querySelector('form button')).fontWeight",
        "args": []})
    check("its style sheet is applied under its content security policy",
          int(weight) >= 600, weight)
    page.picture("sign-in.png")

    page.type("input[name=username]", "alice")
    page.type("input[name=password]", "not her password")
    page.click("form button")
    problem = page.text("[role=alert]")
    check("a wrong password shows the form again, and says so",
          urllib.parse.urlsplit(page.url()).hostname == "sts.alice.example"
          and page.find("input[name=password]") and problem, page.url())

    page.open(port)
    page.type("input[name=username]", "alice")
    page.type("input[name=password]", password)
    page.click("form button")
    answer = page.answer()
    check("the right one leads back with code, state and iss",
          "code" in answer and answer.get("state") == "xyz"
          and answer.get("iss") == "https://sts.alice.example", answer)

    page.open(port)
    answer = page.answer()
    check("who is signed in and allowed it before is not asked again", "code" in answer, answer)

    page.open(port, prompt="consent")
    shown = page.text()
    check("unless the client wants it: the page names person, client and what it asks for",
          all(words in shown for words in ("alice", "Alice's application", "claims-provider")), shown)
    page.picture("consent.png")
    page.click("button[value=deny]")
    answer = page.answer()
    check("cancelling leads back with access_denied",
          answer.get("error") == "access_denied" and answer.get("state") == "xyz", answer)

    page.open(port, prompt="login")
    check("a client can have the person sign in again", page.find("input[name=password]"), page.text())
    page.click("button[value=deny]")
    answer = page.answer()
    check("which can be cancelled, too", answer.get("error") == "access_denied", answer)

    page.open(port, prompt="consent")
    page.click("button[value=allow]")
    answer = page.answer()
    check("allowing leads back with a code", "code" in answer, answer)
    page.visit("/account")
    shown = page.text("h1") + page.text("main")
    check("the account page shows what was allowed",
          "Your account" in shown and "Alice's application" in shown, shown)
    page.picture("account.png")
    check("and another place where she signed in, which she ends",
          "Where you are signed in" in shown and "this one" in shown, shown)
    page.click("button[name=session]")
    gone = eventually(lambda: "Sign out there" not in page.text("main"))
    check("  so that it is gone", gone, page.text("main"))
    page.click("button[name=client]")
    shown = eventually(lambda: (text := page.text("main")) and "not allowed any" in text and text)
    check("it can be taken back", shown, page.text("main"))
    page.open(port, prompt="none")
    answer = page.answer()
    check("and then nobody gets in silently", answer.get("error") == "consent_required", answer)

    page.visit("/account")
    page.click("form[method=get] button")
    shown = eventually(lambda: (text := page.text("h1")) and text.startswith("Sign out") and text)
    check("signing out is asked about, since any link can lead there", shown, page.text())
    page.picture("sign-out.png")
    page.click("form button")
    shown = eventually(lambda: (text := page.text("h1")) and "signed out" in text and text)
    check("and ends the session", shown, page.text())
    page.open(port, prompt="none")
    answer = page.answer()
    check("so that nobody is there", answer.get("error") == "login_required", answer)


def main():
    callback = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Callback)
    threading.Thread(target=callback.serve_forever, daemon=True).start()
    profile = tempfile.mkdtemp()
    chromedriver = subprocess.Popen(["chromedriver", "--port=9515"], stdout=subprocess.DEVNULL)
    try:
        for attempt in range(100):
            try:
                driver("GET", "/status")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        options = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", f"--user-data-dir={profile}",
            # The authority is a throw-away one; what is tested here is the page.
            "--ignore-certificate-errors", f"--host-resolver-rules={rules}",
        ]
        capabilities = {"alwaysMatch": {"browserName": "chrome", "acceptInsecureCerts": True,
                                        "goog:chromeOptions": {"args": options}}}
        session = driver("POST", "/session", {"capabilities": capabilities})["sessionId"]
        try:
            story(Page(session), callback.server_port)
        finally:
            driver("DELETE", f"/session/{session}")
    finally:
        chromedriver.terminate()
        chromedriver.wait(10)
        shutil.rmtree(profile, ignore_errors=True)


main()
