"""Drives the broker's own pages in headless Chromium, on a phone: its choice of providers, linking an account, and the
account page, in both languages.

    broker_pages.py FOLDER PICTURES      the folder that `countersign demo 001 --write FOLDER` made, with an account of the
                                         broker's own for Alice, and where pictures go; the servers run
"""

import pathlib
import sys
import urllib.parse

from webdriver import ENTER, browser, check, eventually

folder, pictures = pathlib.Path(sys.argv[1]), sys.argv[2]
password = (folder / "alice.password").read_text().strip()
DASHBOARD = "https://results.localhost:8450/"
BROKER = "https://broker.localhost:8452"


def shown(page, selector, words):
    """The text of what is there, once it has these words."""
    found = eventually(lambda: (text := page.text(selector)) and words in text and text)
    return found or page.text()


def spoken(page, what, words, picture):
    """A page in German, and nothing of it in English."""
    text = shown(page, "main", words)
    lang = page.run("return document.documentElement.lang")
    english = [it for it in ("Sign in", "account", "Cancel", "password", "Since", "Take this back") if it in text]
    check(f"{what} speaks German", lang == "de" and words in text and not english, (lang, english, text))
    page.fits("  which", picture)


def choose(page):
    page.visit(DASHBOARD)
    shown(page, "#welcome", "Sign in")
    page.click("#sign-in")
    shown(page, "main", "University")


def story(page):
    page.language("de")
    choose(page)
    spoken(page, "the choice", "Mit „the University“ anmelden und erlauben", "broker-choice-german.png")
    page.language("en")
    choose(page)
    text = page.text("main")
    check("the broker offers two providers and a password of its own",
          all(it in text for it in ("the University", "the College", "Or with a password")), text)
    page.fits("the choice", "broker-choice.png")
    page.click("#upstream-university")
    shown(page, "main", "Password")
    page.type("#username", "alice")
    page.type("#password", password)
    page.click("#allow")

    text = shown(page, "main", "You have an account here already")
    check("who is known by the same address here is asked whether they are the same",
          urllib.parse.urlsplit(page.url()).hostname == "broker.localhost"
          and "alice@university.example" in text and "the University" in text, text)
    page.fits("the page about linking", "broker-link.png")
    page.keys("not her password" + ENTER)
    wrong = page.text("[role=alert]")
    check("a wrong password links nothing, and the page says so", wrong == "The password is wrong.", wrong)
    page.fits("that page, too", "broker-link-wrong.png")
    page.language("de")
    page.find("input[name=password]")
    page.keys(password + ENTER)
    spoken(page, "the question", "Gehören die beiden zusammen?", "broker-link-german.png")
    page.click("#link")
    who = shown(page, "#who", "alice@university.example")
    check("with the right one and a yes she is in", "alice@university.example" in who, who)

    page.visit(f"{BROKER}/account")
    spoken(page, "the account page", "Wie Sie sich sonst anmelden", "broker-account-german.png")
    page.language("en")
    page.visit(f"{BROKER}/account")
    text = page.text("main")
    check("it has sessions, what was allowed, and the identity that was linked",
          all(it in text for it in ("Where you are signed in", "this one", "What you allowed", "Benchmark results",
                                    "the University", "End this link")), text)
    page.fits("the account page", "broker-account.png")
    page.click("button[name=link]")
    gone = eventually(lambda: "End this link" not in page.text("main"))
    check("and the link can be ended there", gone, page.text("main"))


with browser("MAP nowhere.invalid 127.0.0.1", pictures) as driven, driven.phone():
    story(driven)
