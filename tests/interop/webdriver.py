"""WebDriver in Python's standard library: as much of it as pages with forms and one application take."""

import base64
import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
DRIVER = "http://127.0.0.1:9515"
PHONE = 420
# Keys without a character. [WebDriver, keyboard actions]
TAB, ENTER, SPACE = "\ue004", "\ue007", " "


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


# What is wrong with a page, in its own words. A color of CSS is turned into numbers by painting with it.
WRONG_WITH_A_PAGE = """
    const wrong = [], all = (selector) => [...document.querySelectorAll(selector)];
    if (!document.documentElement.lang) wrong.push("no language");
    if (!/^\\S.* · .*\\S$/.test(document.title)) wrong.push("title: " + document.title);
    let level = 0;
    for (const heading of all("h1, h2, h3, h4, h5, h6")) {
        const own = +heading.localName[1];
        if (own > level + 1) wrong.push("skips a level: " + heading.outerHTML);
        level = own;
    }
    if (all("h1").length !== 1 || all("main").length !== 1) wrong.push("not one heading of one page");
    const ids = all("[id]").map((it) => it.id);
    for (const id of ids.filter((id, at) => ids.indexOf(id) !== at)) wrong.push("twice: " + id);
    for (const it of all("[aria-describedby]")) {
        for (const id of it.getAttribute("aria-describedby").split(" ")) if (!ids.includes(id)) wrong.push("nothing is " + id);
    }
    for (const it of all("input:not([type=hidden]), select")) {
        if (!it.labels.length || !it.labels[0].innerText.trim() && it.checkVisibility()) wrong.push("no label: " + it.outerHTML);
    }
    for (const it of all("a, button, summary")) {
        if (!it.textContent.trim()) wrong.push("no name: " + it.outerHTML);
    }
    for (const it of all("[tabindex], [onclick], [style], script, style, img, iframe")) wrong.push("not ours: " + it.outerHTML);
    const brush = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    const painted = (...colors) => {
        for (const color of colors) {
            brush.fillStyle = color;
            brush.fillRect(0, 0, 1, 1);
        }
        const bright = [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255)
            .map((part) => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
        return .2126 * bright[0] + .7152 * bright[1] + .0722 * bright[2];
    };
    const behind = (it) => it ? [...behind(it.parentElement), getComputedStyle(it).backgroundColor] : ["white"];
    for (const it of all("body *")) {
        if (![...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) || !it.checkVisibility()) continue;
        const ground = painted(...behind(it)), ink = painted(...behind(it), getComputedStyle(it).color);
        const contrast = (Math.max(ground, ink) + .05) / (Math.min(ground, ink) + .05);
        if (contrast < 4.5) wrong.push(contrast.toFixed(2) + ": " + it.outerHTML);
    }
    return wrong;
"""


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


class Page:
    def __init__(self, session, pictures):
        self.at = f"/session/{session}"
        self.pictures = pathlib.Path(pictures)

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

    def picture(self, name, whole=False):
        """Of the window, or of the whole page."""
        picture = (self._devtools("Page.captureScreenshot", captureBeyondViewport=True)["data"]
                   if whole else driver("GET", f"{self.at}/screenshot"))
        (self.pictures / name).write_bytes(base64.b64decode(picture))

    def visit(self, url):
        driver("POST", f"{self.at}/url", {"url": url})

    def forget(self):
        """The cookies of the page that is shown go, as in another browser."""
        driver("DELETE", f"{self.at}/cookie")

    def run(self, script):
        return driver("POST", f"{self.at}/execute/sync", {"script": script, "args": []})

    @contextlib.contextmanager
    def elsewhere(self, url):
        """Another window of the same browser, for the time of the block."""
        before = driver("GET", f"{self.at}/window")
        other = driver("POST", f"{self.at}/window/new", {"type": "tab"})["handle"]
        driver("POST", f"{self.at}/window", {"handle": other})
        self.visit(url)
        yield
        driver("DELETE", f"{self.at}/window")
        driver("POST", f"{self.at}/window", {"handle": before})

    def size(self, width, height):
        driver("POST", f"{self.at}/window/rect", {"width": width, "height": height})

    def keys(self, text):
        """Pressed one after the other, wherever the focus is: nothing is clicked."""
        pressed = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": pressed}
        driver("POST", f"{self.at}/actions", {"actions": [keyboard]})

    def focus(self):
        """Where the focus is, and how thick a line around it says so."""
        return self.run("""
            const at = document.activeElement;
            return [at.name + (at.localName === "button" ? "=" + at.value : ""),
                    parseFloat(getComputedStyle(at).outlineWidth)];
        """)

    def language(self, tag):
        """What the person who reads speaks, from the next page on."""
        agent = self.run("return navigator.userAgent")
        self._devtools("Network.setUserAgentOverride", userAgent=agent, acceptLanguage=tag)

    @contextlib.contextmanager
    def phone(self, width=PHONE):
        """What follows is shown on a phone: a window of a browser has no such width."""
        self.width = width
        self._devtools("Emulation.setDeviceMetricsOverride",
                       width=width, height=900, deviceScaleFactor=1, mobile=True)
        yield
        self._devtools("Emulation.clearDeviceMetricsOverride")

    def fits(self, what, picture):
        """On a phone: nothing is wider than it, and what one reads or touches is large enough for that."""
        found = self.run("""
            const page = document.scrollingElement, low = [], small = [];
            for (const it of document.querySelectorAll("button, input:not([type=hidden]), select, summary.danger, a.button")) {
                if (!it.checkVisibility()) continue;
                // A box to tick is touched by what is written beside it, too.
                const touched = ["checkbox", "radio"].includes(it.type) ? it.closest("label") : it;
                if (touched.getBoundingClientRect().height < 40) low.push(it.outerHTML);
                if (parseFloat(getComputedStyle(it).fontSize) < 16) small.push(it.outerHTML);
            }
            return { is: innerWidth, page: page.scrollWidth, low, small };
        """)
        self.picture(picture, whole=True)
        check(f"{what} fits a phone, and fingers fit it",
              found == {"is": self.width, "page": self.width, "low": [], "small": []}, found)

    def is_well_made(self, what):
        """For whoever does not see the page: it has a language and a title, one heading of the first level and none that
        skips one, a name for everything one can do, no name twice, and nothing that hides a message. And for whoever does:
        every text stands out against what is behind it, by day and by night. [WCAG 2.2: 1.3.1, 1.4.3, 2.4.2, 3.1.1, 4.1.2]"""
        for scheme in ("dark", "light"):
            self._devtools("Emulation.setEmulatedMedia",
                           features=[{"name": "prefers-color-scheme", "value": scheme}])
            found = self.run(WRONG_WITH_A_PAGE)
            check(f"{what} is well made, {scheme}", found == [], found)

    def _devtools(self, command, **params):
        path = f"{self.at}/goog/cdp/execute"
        return driver("POST", path, {"cmd": command, "params": params})


@contextlib.contextmanager
def browser(rules, pictures, kind=Page, trusted=None):
    """A headless Chromium that finds names by these rules; it ends with the block. With the keys of the servers that are
    `trusted`, as Chromium takes them, those and no others; else every certificate is."""
    profile = tempfile.mkdtemp()
    chromedriver = subprocess.Popen(["chromedriver", "--port=9515"], stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
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
            f"--ignore-certificate-errors-spki-list={trusted}" if trusted else "--ignore-certificate-errors",
            f"--host-resolver-rules={rules}",
        ]
        capabilities = {"alwaysMatch": {"browserName": "chrome", "acceptInsecureCerts": not trusted,
                                        "goog:chromeOptions": {"args": options}}}
        session = driver("POST", "/session", {"capabilities": capabilities})["sessionId"]
        try:
            yield kind(session, pictures)
        finally:
            driver("DELETE", f"/session/{session}")
    finally:
        chromedriver.terminate()
        chromedriver.wait(10)
        shutil.rmtree(profile, ignore_errors=True)
