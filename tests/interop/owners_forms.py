"""Forms of the owner's console in Chromium: what they say when they are wrong, and what is kept. Part of console.py."""

import base64
import hashlib
import secrets
import urllib.parse

from webdriver import check, eventually

CONSOLE = "https://uma.bob.example/console"
AUTHORIZE = "https://uma.bob.example/authorize"
BACK = "https://rs.bob.example/owners/callback"


def shares(page):
    """On the page of a resource, with what is wrong at first."""
    def shown(field):
        return page.run(f"return document.getElementById('{field}').checkVisibility()")

    def chooses(select, value):
        page.click(f"#{select} option[value={value}]")
    check("one person has an address and no group", shown("with") and not shown("claim") and not shown("value"), page.text())
    chooses("who", "anyone")
    check("  everyone has none", not shown("with"), page.text())
    chooses("who", "group")
    check("  a group has a domain, a claim and its value", shown("with") and shown("claim") and shown("value"), page.text())
    page.type("#with", "nowhere")
    page.type("#claim", "department")
    page.click("#share-it")
    said = eventually(lambda: (text := page.text("#with-wrong")) and text)
    check("what is no domain is said to be none, beside the field", said and "not a domain" in said, page.text())
    kept = page.run("return [...document.querySelectorAll('#who, #with, #claim')].map((it) => it.value)")
    check("  and what was typed is there still", kept == ["group", "nowhere", "department"], kept)
    check("  where one begins to put it right", page.focus()[0] == "with", page.focus())
    page.picture("console-share-wrong.png", whole=True)
    page.is_well_made("a form that is to be put right")
    page.run("document.getElementById('with').value = ''")
    page.type("#with", "alice.example")
    page.type("#value", "research")
    page.click("#share-scope-1")
    page.click("#share-it")
    check("a group is shared with", eventually(lambda: "What you said counts" in page.text("#done")), page.text())
    page.picture("console-shared.png", whole=True)
    page.is_well_made("what is shared")
    page.click(".unshare button")
    check("  and no more", eventually(lambda: "That is taken back." in page.text("#done")), page.text())


def asked_by_a_resource_server(page):
    """Whether it may protect something in Bob's name: the page before a PAT by an authorization code (RFC 6749 §4.1). Where
    he is sent back to has no page of its own: its address is what counts."""
    def answers(state, button):
        verifier = secrets.token_urlsafe(32).encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        page.visit(AUTHORIZE + "?" + urllib.parse.urlencode({
            "response_type": "code", "client_id": "rs-bob", "redirect_uri": BACK, "scope": "uma_protection",
            "state": state, "code_challenge": challenge, "code_challenge_method": "S256"}))
        shown = page.text("main")
        check("a resource server asks to protect something in his name, and he sees where he is sent back to",
              all(words in shown for words in ("rs-bob", "bob", "https://rs.bob.example")), shown)
        page.fits("what it asks", "console-mandate-phone.png")
        page.is_well_made("what it asks")
        page.click(button)
        at = eventually(lambda: (url := page.url()).startswith(BACK) and url)
        check("  he is sent back", at, page.url())
        return urllib.parse.parse_qs(urllib.parse.urlsplit(at).query)
    said = answers("one", "#deny")
    check("  with his no", said.get("error") == ["access_denied"] and said["state"] == ["one"] and "code" not in said, said)
    page.visit(CONSOLE + "/resources")
    check("  which lets nobody do anything", page.run("return document.querySelector('.end') === null"), page.text())
    said = answers("two", "#allow")
    check("  with a code", said.get("code") and said["state"] == ["two"] and "error" not in said, said)
    page.visit(CONSOLE + "/resources")
    shown = page.text("main")
    check("  and what it may is on his page", "rs-bob, in the name of bob" in shown, shown)
    page.fits("what servers may do", "console-mandates-phone.png")
    page.is_well_made("what servers may do")
    page.click(".end button")
    shown = eventually(lambda: (text := page.text("#done")) and text)
    check("  until he takes it back", shown and "in your name any more" in shown
          and page.run("return document.querySelector('.end') === null"), page.text())
