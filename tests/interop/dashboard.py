"""Drives the dashboard of examples/results-service in headless Chromium, through flow 000 or 001.

    dashboard.py FLOW FOLDER PICTURES TRUSTED      the folder that `countersign demo FLOW --write FOLDER` made, where
                                                   pictures go, and the servers' keys as `start` says them; the servers
                                                   run. With FLOW 000-by-time, tokens of the API's server live a second,
                                                   and what refreshes them a few
"""

import pathlib
import sys
import urllib.parse

from webdriver import browser, check, eventually

flow, folder, pictures, trusted = sys.argv[1], pathlib.Path(sys.argv[2]), *sys.argv[3:]
password = (folder / "alice.password").read_text().strip()
DASHBOARD = "https://results.localhost:8450/"


def shown(page, selector, words=""):
    """The text of what is there, once it has these words."""
    found = eventually(lambda: (text := page.text(selector)) and words in text and text)
    return found or page.text("body")


def sign_in_form(page, username):
    page.type("#username", username)
    page.type("#password", password)
    page.click("#allow")


def begin(page):
    shown(page, "#welcome", "Sign in")
    page.click("#sign-in")


def sign_in(page, username):
    page.visit(DASHBOARD)
    begin(page)
    sign_in_form(page, username)


def sign_out(page):
    page.click("#sign-out")
    # With an ID token nobody is asked; after a reload there is none in the page's memory. Either way leads back.
    if eventually(lambda: settled(page)) == "asked":
        page.click("#proceed")
    welcome = shown(page, "#welcome", "Sign in")
    check("whoever signs out comes back to the dashboard", "Sign in" in welcome and page.url() == DASHBOARD, page.url())


def at(page):
    return urllib.parse.urlsplit(page.url()).hostname


def settled(page):
    """Whether the browser came back to the dashboard, or the provider asks first."""
    return page.run("""
        if (location.hostname === "results.localhost") {
            return document.getElementById("welcome")?.hidden === false && "back";
        }
        return document.getElementById("proceed") !== null && "asked";
    """)


def add(page):
    page.click("#add-result")
    return shown(page, "#outcome")


def no_token_is_kept(page):
    kept = page.run("return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    check("no token, code or verifier is in any storage of the page",
          "eyJ" not in kept and "verifier" not in kept and "code=" not in kept, kept)
    check("nor in its address", page.url() == DASHBOARD, page.url())


def exchange(page):
    """Flow 000."""
    page.visit(DASHBOARD)
    welcome = shown(page, "#welcome")
    check("the dashboard says where people sign in", "idp.localhost" in welcome, welcome)
    page.picture("dashboard-000-welcome.png")
    begin(page)
    asked = shown(page, "main", "Benchmark results")
    check("the provider says who asks, and for what", "claims-provider" in asked, asked)
    page.picture("dashboard-000-sign-in.png")
    sign_in_form(page, "alice")
    person = shown(page, "#who", "Alice")
    check("whoever signs in there is known here, with roles", "curator" in person, person)
    rows = shown(page, "#rows", "linpack")
    check("the restricted call gives the results", "fio" in rows, rows)
    log = shown(page, "#log", "7–15")
    check("the token was exchanged", "Token verified and exchanged" in log and "200" in log, log)
    page.picture("dashboard-000-results.png")
    no_token_is_kept(page)
    check("a curator adds a result", "is there for everybody" in add(page), page.text("#outcome"))
    check("under the name that the token says", "Alice Liddell" in shown(page, "#rows", "Alice"),
          page.text("#rows"))
    page.picture("dashboard-000-added.png")

    page.visit(DASHBOARD)
    log = shown(page, "#log", "A30")
    check("a reload goes on with the session that the API keeps", "Alice" in shown(page, "#who", "Alice"), log)
    sign_out(page)
    page.visit(DASHBOARD)
    check("signing out ends it, here and at the provider", "Sign in" in shown(page, "#welcome"), page.text())

    sign_in(page, "bob")
    person = shown(page, "#who", "Bob")
    check("a student is a reader", "curator" not in person and "reader" in person, person)
    refused = add(page)
    check("whom the API refuses what is for curators", "403 insufficient_scope" in refused, refused)
    page.picture("dashboard-000-refused.png")

    # The session ends behind the page's back.
    gone = page.run("return fetch('/api/v1/pbench-token', {method: 'DELETE'}).then(it => it.status)")
    check("a session can be ended elsewhere", gone == 204, gone)
    page.click("#add-result")
    ended = shown(page, "#notice", "ended")
    check("a session that has ended leads back to signing in", "has ended" in ended, ended)
    page.picture("dashboard-000-ended.png")
    begin(page)
    check("the provider remembers the person and asks nobody twice, or asks again",
          bool(eventually(lambda: signed_in_again(page))), page.text())
    sign_out(page)

    begin(page)
    page.click("#deny")
    denied = shown(page, "#notice", "allow")
    check("who denies it is not signed in, and is told so", "did not allow" in denied, denied)
    page.picture("dashboard-000-denied.png")

    # F001-2: an answer that this page did not ask for, and one whose state is another's.
    for begun in (False, True):
        page.visit(DASHBOARD)
        if begun:
            begin(page)
            page.find("#deny")
        page.visit(f"{DASHBOARD}callback?code=stolen&state=another&iss=https%3A%2F%2Fidp.localhost%3A8451")
        wrong = shown(page, "#notice", "login")
        log = page.text("#log")
        check("an answer of another login is refused, and its code not used" + (", while one goes on" if begun else ""),
              "login" in wrong and "Code for tokens" not in log, (wrong, log))

    page.size(420, 900)
    sign_in(page, "alice")
    shown(page, "#rows", "linpack")
    page.picture("dashboard-000-phone.png")
    width = page.run("const page = document.documentElement; return [page.scrollWidth, page.clientWidth]")
    check("it fits a phone", width[0] <= width[1], width)


def by_time(page):
    """Flow 000, where nobody ends anything."""
    sign_in(page, "alice")
    shown(page, "#rows", "linpack")
    renewed = eventually(lambda: add(page) and page.run(
        "return [...document.querySelectorAll('#log li')].filter(it => it.textContent.includes('A30')).length > 0"))
    check("an access token that has ended is renewed, and nobody is asked", renewed, page.text("#log"))

    def ended():
        if page.run("return document.getElementById('add').hidden"):
            return page.text("#notice")
        page.click("#add-result")
        return None
    said = eventually(ended)
    check("until the session has ended by itself, and the page says so", said and "has ended" in said, page.text())
    page.picture("dashboard-000-by-time.png")
    begin(page)
    check("who is still signed in at the provider goes on with a new one",
          "linpack" in shown(page, "#rows", "linpack"), page.text())


def broker(page):
    """Flow 001."""
    page.visit(DASHBOARD)
    welcome = shown(page, "#welcome", "Sign in")
    check("the dashboard knows the broker alone", "broker.localhost" in welcome, welcome)
    begin(page)
    choice = shown(page, "main", "University")
    check("the broker has people choose", "the College" in choice and "Benchmark results asks" in choice, choice)
    page.picture("dashboard-001-choice.png")
    page.click("#upstream-university")
    asked = shown(page, "main", "Password")
    check("the provider says who asks", at(page) == "idp.localhost" and "Benchmark results" in asked, asked)
    page.picture("dashboard-001-sign-in.png")
    sign_in_form(page, "alice")
    person = shown(page, "#who", "alice@university.example")
    check("whoever signs in there is known here, with roles", "curator" in person, person)
    log = shown(page, "#log", "GET /api/v1/results")
    check("through the broker", "Broker" in log and "4–6" in log and "7–8" in log, log)
    page.picture("dashboard-001-results.png")
    no_token_is_kept(page)
    check("a curator adds a result", "is there for everybody" in add(page), page.text("#outcome"))

    shown(page, "#rows", "alice@university.example")
    with page.phone(390):
        width = page.run("return document.scrollingElement.scrollWidth")
        page.picture("dashboard-001-phone.png")
        check("it fits a phone, with an address for a name", width == 390, width)

    with page.elsewhere("https://broker.localhost:8452/account"):
        with page.phone(390):
            page.fits("the account of somebody whose name is an address", "account-001-phone.png")
        page.click("button[name=client]")
        shown(page, "main", "not allowed any")
    page.click("#add-result")
    ended = shown(page, "#notice", "ended")
    check("what is taken back at the broker has ended here", "has ended" in ended, ended)
    page.picture("dashboard-001-ended.png")

    with page.elsewhere("https://broker.localhost:8452/logout"):
        page.click("#proceed")
        shown(page, "h1", "signed out")
    page.visit(DASHBOARD)
    begin(page)
    page.click("#deny")
    denied = shown(page, "#notice", "allow")
    check("who denies it is not signed in, and is told so", "did not allow" in denied, denied)

    page.visit(DASHBOARD)
    begin(page)
    page.click("#upstream-college")
    shown(page, "main", "Password")
    check("another provider is another page", at(page) == "college.localhost", page.url())
    sign_in_form(page, "carol")
    person = shown(page, "#who", "carol@college.example")
    check("whose people are readers", "reader" in person and "curator" not in person, person)
    refused = add(page)
    check("whom the API refuses what is for curators", "403 insufficient_scope" in refused, refused)
    page.picture("dashboard-001-refused.png")
    sign_out(page)
    check("signing out ends it", "Sign in" in shown(page, "#welcome", "Sign in"), page.text())


def signed_in_again(page):
    if page.run("return document.getElementById('allow') !== null"):
        page.click("#allow")
    return at(page) == "results.localhost" and "Bob" in page.text("#who")


with browser("MAP nowhere.invalid 127.0.0.1", pictures, trusted=trusted) as driven:
    driven.size(1280, 900)
    {"000": exchange, "000-by-time": by_time, "001": broker}[flow](driven)
