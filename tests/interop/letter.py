"""Is Bob in `countersign demo 003 --live`: reads in the terminal where to go, decides in headless Chromium, and sees the
terminal go on.

    letter.py PICTURES PROGRAM    where pictures go, and the program `countersign`
"""

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import time

from webdriver import browser, check, eventually

ALICE = "alice@alice.example"


class Terminal:
    """What a person at a keyboard sees of a program."""

    def __init__(self, *command):
        own, others = pty.openpty()
        self.program = subprocess.Popen(command, stdin=others, stdout=others, stderr=others, start_new_session=True)
        os.close(others)
        self.at, self.shown = own, ""

    def until(self, pattern, seconds=60):
        """What the terminal shows once it shows this; everything, if it never does."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.shown)) and time.monotonic() < deadline:
            if not select.select([self.at], [], [], 0.1)[0]:
                continue
            try:
                read = os.read(self.at, 65536)
            except OSError:  # Linux: nobody has the other end any more.
                break
            self.shown += re.sub(r"\x1b\[[0-9;]*m|\r", "", read.decode(errors="replace"))
        check(f"the terminal shows {pattern!r}", found or re.search(pattern, self.shown), self.shown)
        return found or re.search(pattern, self.shown)

    def ends(self):
        with contextlib.suppress(AssertionError):
            self.until(r"\nDone in ")
        return self.program.wait(30)


def decides(page, console, password):
    page.visit(console)
    page.click("#sign-in")
    page.type("input[name=username]", "bob")
    page.type("input[name=password]", password)
    page.click("button[value=allow]")
    shown = eventually(lambda: (text := page.text("main")) and ALICE in text and text)
    check("Bob sees who waits", shown, page.text())
    page.picture("letter-requests.png")
    page.click("a.decide")
    shown = eventually(lambda: (text := page.text("main")) and "Bob's Incoming" in text and text)
    check("for what, by whose word, and that she is there herself",
          shown and all(words in shown for words in ("message:create", "https://alice.example vouches", "In person")), shown)
    page.picture("letter-person.png", whole=True)
    page.click("#approve-1")
    shown = eventually(lambda: (text := page.text("main")) and "Allowed by bob@bob.example" in text and text)
    check("he lets her in", shown, page.text())


def main():
    pictures, program = sys.argv[1:]
    terminal = Terminal(program, "demo", "003", "--live")
    try:
        console = terminal.until(r"Open (https://\S+/console) in a browser")[1]
        password = terminal.until(r"Sign in as bob with the password (\S+)\n")[1]
        terminal.until(r"waits for ten minutes\.\n")
        # No name is mapped: whoever tries it has a browser that knows these.
        with browser("", pictures) as page:
            page.size(1280, 900)
            decides(page, console, password)
        for heading in ("201 Created", "Bob reads it", "Bob takes it back", "Alice is out", "Bob decides beforehand",
                        "Branch B: .*", "201 Created", "Hello Bob, this is Alice"):
            terminal.until(heading)
        code = terminal.ends()
        check("and everything else is as drawn", code == 0 and "DIFFERS" not in terminal.shown, (code, terminal.shown))
    finally:
        terminal.program.kill()


main()
