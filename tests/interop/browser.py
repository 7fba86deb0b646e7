"""Drives the provider's pages in headless Chromium.

    browser.py FOLDER PICTURES      the folder that `countersign demo --write FOLDER` made, and where pictures go
"""

import http.server
import pathlib
import sys
import threading
import tomllib
import urllib.parse

from webdriver import ENTER, TAB, Page, browser, check, eventually

folder = pathlib.Path(sys.argv[1])
config = tomllib.loads((folder / "client.toml").read_text())
rules = ",".join("MAP " + entry.replace("=", " ") for entry in config["danger"]["connect_to"])
password = (folder / "alice.password").read_text().strip()


class Callback(http.server.BaseHTTPRequestHandler):
    """Where a native application waits for the answer. It may send the browser on, to another origin."""

    onward = None

    def do_GET(self):
        if self.onward:
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.onward}/end?{self.path.partition('?')[2]}")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *_):
        pass


class Provider(Page):
    def visit(self, path):
        super().visit(f"https://sts.alice.example{path}")

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
    weight = page.run("return getComputedStyle(document.getElementById('allow')).fontWeight")
    check("its style sheet is applied under its content security policy",
          int(weight) >= 600, weight)
    page.picture("sign-in.png")

    page.type("input[name=username]", "alice")
    page.type("input[name=password]", "not her password")
    page.click("#allow")
    problem = page.text("[role=alert]")
    check("a wrong password shows the form again, and says so",
          urllib.parse.urlsplit(page.url()).hostname == "sts.alice.example"
          and page.find("input[name=password]") and problem, page.url())

    page.open(port)
    page.type("input[name=username]", "alice")
    page.type("input[name=password]", password)
    page.click("#allow")
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
    page.click("#deny")
    answer = page.answer()
    check("cancelling leads back with access_denied",
          answer.get("error") == "access_denied" and answer.get("state") == "xyz", answer)

    page.open(port, prompt="login")
    check("a client can have the person sign in again", page.find("input[name=password]"), page.text())
    page.click("#deny")
    answer = page.answer()
    check("which can be cancelled, too", answer.get("error") == "access_denied", answer)

    page.open(port, prompt="consent")
    page.click("#allow")
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
    page.click("#proceed")
    shown = eventually(lambda: (text := page.text("h1")) and text.startswith("Sign out") and text)
    check("signing out is asked about, since any link can lead there", shown, page.text())
    page.picture("sign-out.png")
    page.click("#proceed")
    shown = eventually(lambda: (text := page.text("h1")) and "signed out" in text and text)
    check("and ends the session", shown, page.text())
    page.open(port, prompt="none")
    answer = page.answer()
    check("so that nobody is there", answer.get("error") == "login_required", answer)


def by_keys(page, port):
    """Nothing is clicked."""
    page.open(port)
    page.find("input[name=username]")
    check("the first field has the focus", page.focus()[0] == "username", page.focus())
    page.keys("alice" + TAB)
    check("a Tab leads to the password", page.focus()[0] == "password", page.focus())
    page.keys(password + TAB)
    at, line = page.focus()
    check("another one to the button that allows, and one sees it", at == "decision=allow" and line >= 2, (at, line))
    page.keys(ENTER)
    answer = page.answer()
    check("Enter signs in", "code" in answer and answer.get("state") == "xyz", answer)

    page.open(port, prompt="consent")
    page.find("#allow")
    reached = []
    for _ in range(4):
        page.keys(TAB)
        reached.append(page.focus()[0])
    check("the choices of the page about consent are reached in their order",
          [it for it in reached if it.startswith("decision")][:3]
          == ["decision=allow", "decision=deny", "decision=other"], reached)
    page.open(port, prompt="consent")
    page.find("#allow")
    page.keys(TAB + TAB + ENTER)
    answer = page.answer()
    check("and taken by Enter", answer.get("error") == "access_denied", answer)


def sent_on(page, port, end):
    """Some browsers hold every redirect after a form to the page's content security policy."""
    page.visit("/account")
    page.forget()
    page.open(port)
    page.type("input[name=username]", "alice")
    page.type("input[name=password]", password)
    page.click("#allow")
    answer = eventually(lambda: urllib.parse.urlsplit(page.url()).port == end and page.answer())
    check("an application may send the browser on to another origin after signing in",
          answer and "code" in answer, page.url())
    page.open(port, prompt="consent")
    page.click("#allow")
    answer = eventually(lambda: urllib.parse.urlsplit(page.url()).port == end and page.answer())
    check("and after consent", answer and "code" in answer, page.url())
    page.visit("/logout?" + urllib.parse.urlencode({
        "client_id": "rqp-client", "post_logout_redirect_uri": f"http://127.0.0.1:{port}/gone", "state": "bye"}))
    page.click("#proceed")
    answer = eventually(lambda: urllib.parse.urlsplit(page.url()).port == end and page.answer())
    check("and after signing out", answer and answer.get("state") == "bye", page.url())
    page.open(port, prompt="none")
    answer = eventually(lambda: urllib.parse.urlsplit(page.url()).port == end and page.answer())
    check("when nobody is there any more", answer and answer.get("error") == "login_required", page.url())


def on_a_phone(page, port):
    page.visit("/account")
    page.forget()
    page.open(port)
    page.find("input[name=password]")
    page.fits("signing in", "sign-in-phone.png")
    page.type("input[name=username]", "alice")
    page.type("input[name=password]", "not her password")
    page.click("#allow")
    page.text("[role=alert]")
    page.fits("a wrong password", "wrong-password-phone.png")
    page.open(port)
    page.type("input[name=username]", "alice")
    page.type("input[name=password]", password)
    page.click("#allow")
    answer = page.answer()
    check("the right one lets her in there, too", "code" in answer, answer)
    page.open(port, prompt="consent")
    page.find("#allow")
    page.fits("consent", "consent-phone.png")
    page.visit("/account")
    shown = page.text("main")
    check("the account page has sessions and what was allowed",
          "this one" in shown and "Alice's application" in shown and "Sign out there" in shown, shown)
    page.fits("the account page", "account-phone.png")
    page.visit("/logout")
    page.text("h1")
    page.fits("signing out", "sign-out-phone.png")
    page.visit("/authorize?client_id=nobody")
    page.find("[role=alert]")
    page.fits("an error", "problem-phone.png")


def listening(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def main():
    port = listening(Callback)
    sends_on = listening(type("SendsOn", (Callback,), {"onward": port}))
    with browser(rules, sys.argv[2], Provider) as page:
        page.size(1280, 900)
        story(page, port)
        by_keys(page, port)
        sent_on(page, sends_on, port)
        with page.phone():
            on_a_phone(page, port)


main()
